package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// programs are the figures of process start to exit. Paths of inputs are below
// the root of the repository, which is the working directory.
func programs(bin, istioctl, folder string) ([]figure, error) {
	const (
		recipe   = "fixtures/recipes/external-failover/"
		scenario = "scenarios/failover/external-failover-invalid-port.yaml"
	)
	objects := filepath.Join(folder, "objects.yaml")
	if err := os.WriteFile(objects, []byte(manyObjects(500)), 0o600); err != nil {
		return nil, err
	}
	faildrill := filepath.Join(bin, "faildrill")
	start := figure{name: "start", title: "Process start to exit", trials: []trial{
		processTrial(row{what: "bare cobra program", unit: "ms"}, filepath.Join(bin, "barecobra")),
		processTrial(row{what: "faildrill --version", unit: "ms", most: 8}, faildrill, "--version"),
	}}
	plan := row{what: "faildrill plan of the recipe", unit: "ms", most: 15, peer: "bare cobra program"}
	large := row{what: "faildrill plan of 1000 objects", unit: "ms", most: 150}
	many := figure{name: "plan", title: "Process start to exit, much to plan"}
	if istioctl != "" {
		peer := row{what: "istioctl analyze of the recipe", unit: "ms"}
		start.trials = append(start.trials, processTrial(peer, istioctl, "analyze", "--use-kube=false", "-R", recipe))
		plan.peer, plan.ratio = peer.what, 0.25
		peer = row{what: "istioctl analyze of 1000 objects", unit: "ms"}
		many.trials = append(many.trials, processTrial(peer, istioctl, "analyze", "--use-kube=false", objects))
		large.peer, large.ratio = peer.what, 1
	}
	start.trials = append(start.trials,
		processTrial(plan, faildrill, "plan", recipe),
		processTrial(row{what: "faildrill plan of a scenario", unit: "ms", most: 15}, faildrill, "plan", scenario))
	slow := processTrial(large, faildrill, "plan", objects)
	slow.once = true
	many.trials = append(many.trials, slow,
		processTrial(row{what: "faildrill plan of all scenarios", unit: "ms", most: 500}, faildrill, "plan", "scenarios/"))
	return []figure{start, many}, nil
}

const (
	// runsARound is how many runs of a program one value is the median of,
	// unless the first takes longer than enough.
	runsARound = 5
	enough     = time.Second
)

func processTrial(r row, program string, args ...string) trial {
	return trial{rows: []row{r}, run: func() ([]float64, error) {
		var took []float64
		for len(took) < runsARound && (len(took) == 0 || took[0] < float64(enough.Milliseconds())) {
			cmd := exec.Command(program, args...)
			began := time.Now()
			err := cmd.Run()
			took = append(took, float64(time.Since(began).Microseconds())/1000)
			// Status 1 is an answer: a drill does not pass, a message is found.
			if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 && exit.ExitCode() != 4) {
				return nil, fmt.Errorf("running %v: %w", cmd.Args, err)
			}
		}
		return []float64{median(took)}, nil
	}}
}
