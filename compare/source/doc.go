// Package source brings evidence to the judge. A [Live] source reads ledger and
// stream from the repo, markers and rows from the survivor. A [Tee] hands them
// on and keeps them in a directory, and a [Directory] gives them back, without
// any server.
//
// A directory of evidence has these files, readable by their owner only. All but
// the manifest are compressed by gzip:
//
//	manifest.json       what the format is, the case, and of each file its
//	                    size, SHA-256, number of records, and the error with
//	                    which its stream ended; last its own SHA-256, of the
//	                    bytes before that
//	facts.json.gz       [compare.Facts]; the branches of the connections and the
//	                    unresolved attempts as lists
//	meta.json.gz        what else is told of the run, as the keeper has it
//	findings.ndjson.gz  the findings, one a line, as the keeper has them
//	entries.W.gz        the ledger of worker W from seq 1 on, each entry in
//	                    the binary form of [txn.Entry]
//	markers.W.gz        its markers on the survivor, by seq
//	commits.W.gz        its captured commits, by seq and position
//	rows.W.gz           the surviving rows of its table, by id; in their place
//	contents.W.gz       the rows with their payload, where those were judged
//
// There is a file for each stream that the facts speak of, and no other. Markers
// and rows are those of one moment of the survivor, all of them, and the sums of
// the rows are made of those.
package source
