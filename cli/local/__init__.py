"""The local stack: the functions, the emulators and a store, on this machine."""
