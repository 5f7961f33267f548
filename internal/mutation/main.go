// Command mutation breaks the rules that pgrpo judges by, on purpose and one at a
// time, and sees that the test which stands for each rule fails. A rule that can be
// broken without a test that fails is no rule.
//
// The list is in the folder rules: what the rule says, the file, the lines that are
// put in place of others, and the test that must fail. No file is changed: the
// compiler is given the broken one in its place (go build -overlay).
//
//	go run ./internal/mutation [-run REGEXP]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	pattern := flag.String("run", ".", "break only the rules whose words, or whose place in the list, match this regular expression")
	limit := flag.Duration("timeout", 2*time.Minute, "how long one test may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := mutate(ctx, *pattern, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		stop()
		os.Exit(1)
	}
}

// mutate breaks each chosen rule and prints a line for it.
func mutate(ctx context.Context, pattern string, limit time.Duration) error {
	chosen, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	rules, err := Read(os.DirFS("."), "internal/mutation/rules")
	if err != nil {
		return err
	}
	broken, escaped := 0, 0
	for _, r := range rules {
		if !chosen.MatchString(r.Words) && !chosen.MatchString(r.At) {
			continue
		}
		begun := time.Now()
		verdict := r.Try(ctx, ".", limit)
		broken++
		if verdict.Err != nil {
			escaped++
		}
		fmt.Printf("%-8s %5.1f s  %s  (%s)\n", verdict, time.Since(begun).Seconds(), r.Words, r.Test)
		if verdict.Err != nil {
			fmt.Println(verdict.Err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("%d rules broken, %d caught, %d not\n", broken, broken-escaped, escaped)
	switch {
	case broken == 0:
		return fmt.Errorf("no rule matches %q", pattern)
	case escaped > 0:
		return fmt.Errorf("%d rules can be broken and no test says so", escaped)
	}
	return nil
}
