// Package journal keeps on local disk what one process learned: the ledger of
// its attempts, and its connections, probes, stalls and sentinels, and what it saw
// happen to the nodes and their slots. It is the one home of these events; the repo
// holds a copy.
//
// A journal is written by one goroutine, is created anew for each process, and
// is never opened for writing again. Its promise: a seq is used only after a
// durable reservation covers it, and what [Journal.Sync] or [Journal.Sentinel]
// returned for is durable. After a write or sync failed nothing is written any
// more and no durability is claimed again, because the kernel may have dropped
// the pages and forgotten the error.
//
// # The file
//
// All numbers are little-endian. The form is a contract between versions: a
// change of it is a new version number.
//
//	offset
//	     0  +-------------------------+---------+
//	        | "pgrpo ledger"       12 | version |  version: uint32, 2
//	    16  +-------------------------+---------+
//	        | frame: header                     |
//	        +-----------------------------------+
//	        | frame                             |
//	        +-----------------------------------+
//	        | ...                               |
//	        +-----------------------------------+
//	        | frame: closed                     |  only if the process ended in order
//	        +-----------------------------------+
//
// A frame:
//
//	 0        4        8    9                 9+n     13+n
//	+--------+--------+----+-----------------+--------+
//	| mark   | n      |kind| payload, n bytes| crc    |
//	+--------+--------+----+-----------------+--------+
//
// The mark is F1 'p' 'j' 8E, n a uint32 of at most 2^20, and crc the CRC-32C over
// n, kind and payload. The mark lets a reader find the next frame after damage.
//
// Payloads (iN and uN are numbers of N bits; str is a u16 length and the bytes):
//
//	1 header      run i32, driver i32, started i64 (ns since 1970), pid u32, host str
//	2 reserve     worker i32, upto i64
//	3 entries     worker i32, first i64, then 1 or more entries of 44 bytes in the
//	              form of [txn.Entry]; the n-th is the entry of seq first+n-1
//	4 connection  number u32, observer i32, at i64, system u64, timeline u32,
//	              start i64, insert u64, floor u64, marker u8, branch i32,
//	              backend i32, address str, version str, sync commit str,
//	              sync standbys str, has history u8, steps u32, and for each step
//	              parent u32, end u64, reason str
//	5 probe       at i64, took i64, worker i32, fault u8, state 5 bytes
//	6 stall       from i64, to i64, cause str
//	7 sentinel    number i32, nonce 16 bytes
//	8 closed      for each worker: worker i32, upto i64, used i64
//	9 event       at i64, kind str, then the body to the end; since version 2
//	10 slot       at i64, node str, name str, then the body to the end; since version 2
//
// Version 1 has neither event nor slot, and is the same otherwise.
//
// Of each worker the entries frames follow one another without a gap, from seq 1;
// an entry follows the reservation that covers it and the connection it names.
// Closed is the last frame: with it, and without damage, the account is whole.
package journal
