// Written with the work that needs it.
