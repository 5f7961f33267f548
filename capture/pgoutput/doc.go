// Package pgoutput reads the output of PostgreSQL's built-in logical decoding
// plugin: bytes to messages, in place and without allocation.
//
// A Message is made once and filled again for each message read. Every byte
// slice in it aliases the buffer that was parsed and holds until that buffer is
// overwritten; what must live longer is copied by the caller.
//
// The format is that of protocol version 1 without streaming, as written by
// src/backend/replication/logical/proto.c of PostgreSQL and described in the
// chapter "Logical Replication Message Formats" of its manual. All numbers are
// big-endian; strings end at a zero byte.
//
// The parser trusts nothing: a message that is short, that promises more than
// it holds, or that goes on after its end is an error, and never a panic.
package pgoutput
