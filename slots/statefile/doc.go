// Package statefile reads what a server left on disk about its slots and about
// itself: pg_replslot/<slot>/state, global/pg_control, PG_VERSION and the timeline
// histories in pg_wal. It needs no server, writes nothing, and is meant for the
// data directory of a dead one, before anybody runs pg_rewind: that empties
// pg_replslot.
//
// Only layouts that are known are read, those of PostgreSQL 13 to 18 on machines
// that store the low byte first and align 8-byte values at 8 (x86-64, arm64).
// Anything else, and any file whose checksum does not fit, is an error.
package statefile
