package compare

import (
	"fmt"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Class is a kind of finding.
type Class uint8

// The classes, in the order in which a report shows them.
const (
	// NoClass is the zero value and no finding.
	NoClass Class = iota
	// LostTransaction was acked and is absent.
	LostTransaction
	// LostUnreplicated was acked with the warning that the wait for
	// synchronous replication was cancelled, and is absent.
	LostUnreplicated
	// Hole is a lost attempt that replay cannot explain: a later attempt of
	// the same session was kept, or the log proves it to lie before the fork.
	Hole
	// PhantomTransaction was certainly rolled back, and is there.
	PhantomTransaction
	// AlienRow is there, though nobody sent it.
	AlienRow
	// SplitBrain was acked by a server after another one, of which it knows
	// nothing, had acked as the primary too.
	SplitBrain
	// WitnessDisagreement is one attempt of which one witness says that it
	// survives and another that it is lost.
	WitnessDisagreement
	// TornTransaction has a row on the survivor, and no marker.
	TornTransaction
	// StaleRow shows an older version than the last one committed.
	StaleRow
	// MissingRow is absent, though it was committed.
	MissingRow
	// ResurrectedRow is back after its delete was committed.
	ResurrectedRow
	// CorruptRow has other content than its attempt wrote, or is a marker that
	// promises other content.
	CorruptRow
	// CapturedLost was in the stream and is not on the survivor.
	CapturedLost
	// CaptureGap survives and was not in the stream, though the stream was
	// followed to its end.
	CaptureGap
	// CaptureDisorder came in the stream before an attempt of its worker that
	// had been acked before it was sent.
	CaptureDisorder
	// CaptureTorn had fewer changes in the stream than its marker promises.
	CaptureTorn
	// CaptureMismatch had other content in the stream than its marker promises
	// there or on the survivor, or came at more positions than it can have been
	// committed at.
	CaptureMismatch
	// CaptureDuplicate was delivered again, and absorbed.
	CaptureDuplicate

	// Classes is the number of classes, NoClass included.
	Classes
)

// classNames are the names of the report; they are a public contract.
var classNames = [Classes]string{
	NoClass:             "none",
	LostTransaction:     "lost_transaction",
	LostUnreplicated:    "lost_unreplicated",
	Hole:                "hole",
	PhantomTransaction:  "phantom_transaction",
	AlienRow:            "alien_row",
	SplitBrain:          "split_brain",
	WitnessDisagreement: "witness_disagreement",
	TornTransaction:     "torn_transaction",
	StaleRow:            "stale_row",
	MissingRow:          "missing_row",
	ResurrectedRow:      "resurrected_row",
	CorruptRow:          "corrupt_row",
	CapturedLost:        "captured_lost",
	CaptureGap:          "capture_gap",
	CaptureDisorder:     "capture_disorder",
	CaptureTorn:         "capture_torn",
	CaptureMismatch:     "capture_mismatch",
	CaptureDuplicate:    "capture_duplicate",
}

// String names the class as the report does.
func (c Class) String() string {
	if c < Classes {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// Account is what the client's side knows of an attempt.
type Account uint8

// The accounts. The first four are the outcomes of package txn.
const (
	// InDoubt, Acked, AckedUnreplicated and Failed have an entry that says so.
	InDoubt Account = iota
	Acked
	AckedUnreplicated
	Failed
	// NoEntry is a seq that was reserved, of whose use nothing is known: the
	// tail of the account was lost.
	NoEntry
	// NeverSent is a seq that a whole and closed account does not know.
	NeverSent

	accounts
)

// Fate is what became of an attempt. Its zero value says that it is not known.
type Fate uint8

// The fates.
const (
	// FateUnknown means that the survivor was not, or could not be, asked.
	FateUnknown Fate = iota
	// Kept was acked and is there.
	Kept
	// TurnedOutCommitted was not known to be committed, and is there.
	TurnedOutCommitted
	// TurnedOutRolledBack was in doubt, and is settled to be absent.
	TurnedOutRolledBack
	// AsPromised was rolled back or never sent, and is absent.
	AsPromised
	// Lost was acked and is absent.
	Lost
	// LostWarned was acked with the warning, and is absent.
	LostWarned
	// Phantom was rolled back, and is there.
	Phantom
	// Alien was never sent, and is there.
	Alien
	// AccountLost has no account, and is absent: it may have been acked.
	AccountLost
)

// fates is the whole judgement of a transaction: account by what the look for
// its marker on the survivor showed. The first column is "not looked at".
var fates = [accounts][3]Fate{
	InDoubt:           {FateUnknown, TurnedOutCommitted, TurnedOutRolledBack},
	Acked:             {FateUnknown, Kept, Lost},
	AckedUnreplicated: {FateUnknown, Kept, LostWarned},
	Failed:            {FateUnknown, Phantom, AsPromised},
	NoEntry:           {AccountLost, TurnedOutCommitted, AccountLost},
	NeverSent:         {FateUnknown, Alien, AsPromised},
}

// FateOf tells what became of an attempt. Anything that is not in the table is
// FateUnknown.
func FateOf(a Account, marker pg.Presence) Fate {
	if a >= accounts || int(marker) >= len(fates[a]) {
		return FateUnknown
	}
	return fates[a][marker]
}
