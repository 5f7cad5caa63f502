"""placeholder"""


def write(rows, path): ...
