package node

import "time"

// SetWait sets how long the snapshot waits for one answer of the server.
func (s *Snapshot) SetWait(d time.Duration) { s.wait = d }

// PageBytes is the memory that the snapshot keeps for rows.
func (s *Snapshot) PageBytes() int { return cap(s.page.values) }

// ConninfoDatabase is the database that a connection string of libpq names.
var ConninfoDatabase = conninfoDatabase
