"""Settings of the whole suite."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background: without this, children would inherit a Ctrl-C that does nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
