// Package capture reads the logical stream of the server that the writers are
// acked from, and stores each transaction of one run, with its position, in the
// repo.
//
// It promises three things. What it confirmed to the server is durable in the
// repo, so a crash of either loses nothing. What it could not hear is recorded
// as a gap, never passed over. And a commit is stored once for each position
// that it was seen at, however often the server sends it.
//
// [Assembler] turns messages into commits and is pure; a [Capture] owns the
// socket, the batches and the way back after a failure.
package capture
