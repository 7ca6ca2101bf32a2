// Command startup measures process start to exit of faildrill plan beside a
// bare cobra program, and prints medians, tenth and ninetieth percentiles.
//
//	go run ./hack/startup -rounds 25
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// commands are run once a round each, in this order.
var commands = []struct {
	name string
	args []string
	goal time.Duration // 0: none
}{
	{"bare cobra program", []string{"bin/barecobra"}, 0},
	{"faildrill --version", []string{"bin/faildrill", "--version"}, 0},
	{"faildrill plan of the recipe", []string{"bin/faildrill", "plan", "fixtures/recipes/external-failover/"}, 25 * time.Millisecond},
	{"faildrill plan of a scenario", []string{"bin/faildrill", "plan", "scenarios/failover/external-failover-invalid-port.yaml"}, 25 * time.Millisecond},
	{"faildrill plan of all scenarios", []string{"bin/faildrill", "plan", "scenarios/"}, 0},
}

func main() {
	rounds := flag.Int("rounds", 25, "rounds, each running every command once")
	flag.Parse()
	took := make([][]time.Duration, len(commands))
	for range *rounds {
		for i, c := range commands {
			cmd := exec.Command(c.args[0], c.args[1:]...)
			start := time.Now()
			// plan exits with 1 when a drill does not pass: that is its answer.
			if err := cmd.Run(); err != nil && (cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1) {
				fmt.Fprintf(os.Stderr, "running %v: %v\n", c.args, err)
				os.Exit(3)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	fmt.Printf("%-34s %9s %9s %9s   goal\n", "process start to exit, ms", "median", "p10", "p90")
	for i, c := range commands {
		slices.Sort(took[i])
		at := func(q float64) float64 { return float64(took[i][int(q*float64(len(took[i])-1))].Microseconds()) / 1000 }
		goal := ""
		if c.goal > 0 {
			goal = fmt.Sprintf("<= %v", c.goal)
		}
		fmt.Printf("%-34s %9.1f %9.1f %9.1f   %s\n", c.name, at(0.5), at(0.1), at(0.9), goal)
	}
}
