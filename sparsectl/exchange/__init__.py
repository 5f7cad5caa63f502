"""Networks of other libraries as ReLU programs, and back."""
