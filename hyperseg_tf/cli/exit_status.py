"""What a command answers to the shell."""

# The user can mend it; one line on stderr says how.
FAILED = 2

# What a shell reports for a program ended by Ctrl-C.
INTERRUPTED = 130
