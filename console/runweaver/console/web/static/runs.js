// The list of runs: new ones arrive without moving what is read.
