package run

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// eventLog is events.ndjson: all that is logged of a run, also what its log
// level keeps from the terminal, for people to read later. Nothing reads it
// back.
type eventLog struct{ file *os.File }

// openEvents opens the place's event log, at its end if there is one already,
// and returns the log that writes to it as well.
func openEvents(p Place, log *slog.Logger) (*eventLog, *slog.Logger, error) {
	f, err := os.OpenFile(filepath.Join(p.Dir, "events.ndjson"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, log, fmt.Errorf("open event log: %w", err)
	}
	file := slog.NewJSONHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})
	return &eventLog{f}, slog.New(slog.NewMultiHandler(log.Handler(), file)), nil
}

func (e *eventLog) close() error {
	if e == nil {
		return nil
	}
	return e.file.Close()
}
