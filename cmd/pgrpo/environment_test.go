package main

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// Of the variables with pgrpo's prefix only those pass that somebody reads.
func TestUnknownVariables(t *testing.T) {
	for name, flag := range map[string]string{
		"PGRPO_DURATION": "", "PGRPO_PG_BINDIR": "", "PGRPO_CONSUMER_LSN": "", "PGRPO_LOG_LEVEL": "", "PGRPO_RESET": "",
		"PGRPO_PG_BINDIRS": "", "PGRPO_PGBOUNCER": "", "PGRPO_PG_CACHE": "", "PGRPO_TEST_PG_MAJOR": "",
		"PGRPO_SERVICE_HOST": "", "PGRPO_REPO_SERVICE_PORT": "", "PGRPO_SERVICE_PORT_PG": "", "PGRPO_PORT": "",
		"PGRPO_PORT_5432_TCP": "", "PGRPO_REPO_PORT_5432_TCP_ADDR": "",
		"OTHER_DURATION": "", "pgrpo_duration": "",
		"PGRPO_DURATOIN": "--duratoin", "PGRPO_PRIMARY_DSN": "--primary-dsn", "PGRPO_": "--", "PGRPO_RE_PORTS": "--re-ports",
		"PGRPO_TESTS": "--tests",
	} {
		err := refuseUnknown(rootCommand(t.Output(), t.Output()), []string{"PATH=/bin", name + "=x"})
		if (err != nil) != (flag != "") || err != nil && !strings.Contains(err.Error(), name+" is set, and there is no flag "+flag+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := refuseUnknown(rootCommand(t.Output(), t.Output()), []string{"PGRPO_DURATOIN="}); err != nil {
		t.Errorf("an empty variable is as good as none: %v", err)
	}
}

// A variable of a flag that may be repeated has a value on each line.
func TestVariableOfSeveralValues(t *testing.T) {
	p := openPair(t)
	other, err := sandboxtest.Open(t).Primary(t.Context(), "other", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGRPO_STANDBY_PGDSN", "\n"+p.repo.DSN("postgres")+"\n "+other.DSN("postgres")+"\n")
	r := pgrpo(t, "timeline", "--primary-pgdsn="+p.primary.DSN("postgres"))
	for _, addr := range []string{p.primary.Addr(), p.repo.Addr(), other.Addr()} {
		if !strings.Contains(r.stdout, addr) {
			t.Errorf("%s was not asked", addr)
		}
	}
	r = pgrpo(t, "timeline", "--primary-pgdsn="+p.primary.DSN("postgres"), "--standby-pgdsn="+other.DSN("postgres"))
	if strings.Contains(r.stdout, p.repo.Addr()) {
		t.Error("the command line does not outweigh the variable")
	}
}
