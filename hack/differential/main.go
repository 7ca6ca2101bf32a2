// Command differential plays random small drills on a real Envoy, many at once, and
// asks of each whether the engine permits what the Envoy did.
//
//	go run ./hack/differential -n 2000 -seed 1                  drills 0 to 1999 of seed 1, on the newest Envoy
//	go run ./hack/differential -seed 1 -envoy 1.36 -time 3m     as many as fit into three minutes
//	go run ./hack/differential -seed 0 -envoy all -time 3m      the same on every Envoy that is there, with a new seed
//	go run ./hack/differential -replay out/differential/1-17    one that diverged, ten times at once
//	go run ./hack/differential -replay 1-17                     drill 17 of seed 1, likewise
//	go run ./hack/differential -judge out/differential/1-17     its trace, judged again
//	go run ./hack/differential -judge out/differential          all that were kept there
//
// What diverges is played again, made smaller as long as it diverges, and left in
// the folder -out as schedule.json with a trace. It needs faildrill-live (make
// build), an Envoy (faildrill fetch), and namespaces. It exits with 5 if anything
// diverged, with 1 if it could not play.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/differential"
	"github.com/faildrill/faildrill/harness/istio"
)

// exitDiverged is the exit code of runs in which something diverged.
const exitDiverged = 5

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "of the drills; 0: a new one, which is printed")
	flag.IntVar(&o.n, "n", 0, "how many drills are played; 0: as many as fit into the time")
	flag.IntVar(&o.from, "from", 0, "the first drill's number")
	flag.DurationVar(&o.time, "time", 0, "no batch begins later; 0: until n were played")
	flag.IntVar(&o.batch, "batch", 100, fmt.Sprintf("how many are played at once, at most %d", differential.Most))
	flag.StringVar(&o.envoy, "envoy", "1.40", "the Envoy that plays; all: each that is there, with an equal part of the time")
	flag.StringVar(&o.out, "out", filepath.Join("out", "differential"), "the folder for what diverged")
	flag.StringVar(&o.summary, "summary", "", "a Markdown file to which a row is added")
	flag.IntVar(&o.shrink, "shrink", 3, "how many divergences are made smaller")
	flag.StringVar(&o.replay, "replay", "", "a folder of one that was kept, or SEED-NUMBER of one that is drawn")
	flag.StringVar(&o.judge, "judge", "", "a folder of one that was kept, or of many, whose traces are judged again")
	flag.IntVar(&o.times, "times", 10, "how many copies are played at once with -replay")
	flag.IntVar(&o.again, "again", 0, "how many copies of a drill that diverged are played; it counts when one of them diverges, too. 0: it counts")
	flag.BoolVar(&o.keep, "keep", false, "every trace is kept, not only those that diverged")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	diverged, err := run(ctx, &o)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	case diverged:
		os.Exit(exitDiverged)
	}
}

type options struct {
	seed           uint64
	n, from, batch int
	time           time.Duration
	envoy          string
	out, summary   string
	shrink         int
	replay, judge  string
	times, again   int
	keep           bool
}

// check says what is wrong with the options.
func (o *options) check() error {
	if o.batch < 1 || o.batch > differential.Most || o.times < 1 || o.times > differential.Most || o.again < 0 || o.again > differential.Most {
		return fmt.Errorf("batches of %d, %d and %d; expected 1 to %d", o.batch, o.times, o.again, differential.Most)
	}
	if o.n == 0 && o.time == 0 && o.replay == "" && o.judge == "" {
		return errors.New("neither -n nor -time says when it ends")
	}
	return nil
}

func run(ctx context.Context, o *options) (diverged bool, err error) {
	if err := o.check(); err != nil {
		return false, err
	}
	if o.judge != "" {
		return judge(ctx, o)
	}
	if o.seed == 0 {
		o.seed = newSeed()
		fmt.Printf("seed %d\n", o.seed)
	}
	versions, err := o.versions()
	if err != nil {
		return false, err
	}
	share := *o
	share.time /= time.Duration(len(versions))
	var commands []string // that play what diverged again
	for _, v := range versions {
		p, err := newPlayer(v)
		if err != nil {
			return false, err
		}
		if o.replay != "" {
			d, err := p.replay(ctx, o)
			if err != nil {
				return false, err
			}
			diverged = diverged || d
			continue
		}
		drills, err := p.campaign(ctx, &share)
		if err != nil {
			return false, err
		}
		for _, drill := range drills {
			command := fmt.Sprintf("make differential REPLAY=%s ENVOY=%s", drill, v)
			counts, err := p.counts(ctx, o, drill)
			if err != nil {
				return false, err
			}
			if !counts {
				command += " (it has not come again)"
			}
			diverged = diverged || counts
			commands = append(commands, command)
		}
	}
	if len(commands) > 0 {
		fmt.Println("what diverged is played again with\n  " + strings.Join(commands, "\n  "))
	}
	return diverged, nil
}

// counts reports whether the divergence of a drill counts: always, or when it comes again.
func (p *player) counts(ctx context.Context, o *options, drill string) (bool, error) {
	if o.again == 0 {
		return true, nil
	}
	fmt.Printf("%s diverged; %d of it at once:\n", drill, o.again)
	same := *o
	same.replay, same.times = drill, o.again
	return p.replay(ctx, &same)
}

// versions are those that play.
func (o *options) versions() ([]string, error) {
	if o.envoy != "all" {
		return []string{o.envoy}, nil
	}
	var out []string
	for _, e := range binaries.Envoys() {
		out = append(out, e.Version)
	}
	if len(out) == 0 {
		return nil, errors.New("no Envoy is there; get one with faildrill fetch")
	}
	return out, nil
}

// newSeed is a seed that fits on a command line.
func newSeed() uint64 { return 1 + rand.Uint64N(1_000_000_000) }

// player plays packs on one Envoy.
type player struct {
	backend localenvoy.Backend
	envoy   binaries.Binary
	profile istio.Profile
}

func newPlayer(version string) (*player, error) {
	envoy, err := binaries.Envoy(version)
	if err != nil {
		return nil, err
	}
	p := &player{envoy: envoy}
	own := istio.DefaultProfile()
	if p.profile, err = istio.ParseProfile(fmt.Sprintf("istio=%s,envoy=%s", own.Istio, envoy.Version)); err != nil {
		return nil, err
	}
	p.backend, err = localenvoy.New(localenvoy.Options{
		ControlPlane: localenvoy.Builtin, Packed: true, Envoy: localenvoy.Program{Path: envoy.Path, Version: envoy.Version},
	})
	return p, err
}
