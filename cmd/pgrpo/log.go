package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/pgrpo/pgrpo/internal/live"
)

// logFlags say what is logged and how.
type logFlags struct{ format, level string }

// open makes the log that the flags ask for. On a terminal it is coloured, and
// shares a screen with the progress bar; elsewhere the screen is nil.
func (l *logFlags) open(w io.Writer) (*slog.Logger, *live.Screen, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, nil, usageError{fmt.Errorf("--log-level %q: want debug, info, warn or error", l.level)}
	}
	switch l.format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil, nil
	case "text":
	default:
		return nil, nil, usageError{fmt.Errorf("--log-format %q: want text or json", l.format)}
	}
	var screen *live.Screen
	if isTerminal(w) {
		screen = live.NewScreen(w)
		w = screen
	}
	noColor := screen == nil || os.Getenv("NO_COLOR") != ""
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: noColor})), screen, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
