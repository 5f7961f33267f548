// Package wal reads the write-ahead log of a server from its files, without a
// server: which commits are there, where each begins and ends, and where the log
// ends. It is for the data directory of a dead primary, whose last commits no
// other node has.
//
// It knows the pages and record headers of PostgreSQL 13 to 18 (xlog_internal.h,
// xlogrecord.h) and the content of commit records alone (xact.h). Every record's
// checksum is verified; the first that does not fit is where the log ends, as it is
// for PostgreSQL's own recovery.
package wal
