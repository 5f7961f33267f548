package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/run"
)

// cleanupTime bounds what is done after the verdict.
const cleanupTime = 30 * time.Second

// conclude judges the evidence, writes report.json, drops what the run left on
// the nodes, and prints the verdict. A judgement that could not be kept is
// printed all the same, but meets nothing.
func conclude(cmd *cobra.Command, e *run.Evidence, c compare.Case, keeping evidenceFlags) error {
	ctx := context.WithoutCancel(cmd.Context())
	r, err := keeping.reach(ctx, e, c)
	if err != nil {
		spoil(&r, err)
	}
	if err := keep(e.Place, r); err != nil {
		spoil(&r, err)
	}
	closing, cancel := context.WithTimeout(ctx, cleanupTime)
	defer cancel()
	if closeErr := e.Close(closing); closeErr != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "pgrpo: left behind: %s\n", oneLine(closeErr))
	}
	if _, err := fmt.Fprint(cmd.OutOrStdout(), r.Text(style(cmd))); err != nil {
		return judgingError{err}
	}
	return verdictError{r.Judged()}
}

// spoil puts what went wrong after the judgement among its reasons. A breach
// stays proven; nothing else is.
func spoil(r *report.Report, err error) {
	if r.Judged() != compare.Breached {
		r.Verdict = compare.Inconclusive.String()
	}
	r.Reasons = append(r.Reasons, oneLine(err)+"; judge the run again with pgrpo compare")
}

// keep writes report.json.
func keep(p run.Place, r report.Report) error {
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		return err
	}
	return run.WriteFile(p.Report(), b.Bytes())
}

func style(cmd *cobra.Command) report.Style {
	if isTerminal(cmd.OutOrStdout()) && os.Getenv("NO_COLOR") == "" {
		return report.Coloured
	}
	return report.Plain
}
