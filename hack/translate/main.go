// Command translate compares harness/istio with istiod on random configurations.
//
//	go run ./hack/translate -n 5000 -seed 1       # with the istiod and istioctl of make tools
//
// It draws pairs: a ServiceEntry or two, with DestinationRules and
// VirtualServices for it. Hundreds of pairs, each with host names of its own,
// are one push of an unmodified istiod; several clients read it back over ADS.
// What istiod sends, turned into values of harness/xds, has to be what
// istio.Translate predicts, and a field of Envoy's messages that the values have
// no place for has to be in the list of known.go with its reason. Where there is
// an istioctl, what Istio's validation refuses has to be what Translate refuses.
//
// Each difference is shrunk, as long as it stays, and written to the folder of
// -out. The same seed draws the same pairs.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

func main() {
	var o options
	flag.StringVar(&o.istiod, "istiod", "", "path of pilot-discovery; empty: $FAILDRILL_ISTIOD, or what make tools built")
	flag.StringVar(&o.istioctl, "istioctl", "", "path of istioctl; empty: $FAILDRILL_ISTIOCTL, or what make tools built; without one validation is not compared")
	flag.IntVar(&o.pairs, "n", 1000, "how many pairs")
	flag.Uint64Var(&o.seed, "seed", 0, "of the drawing; 0 is a new one")
	flag.IntVar(&o.batch, "batch", 400, "pairs in one push")
	flag.IntVar(&o.first, "first", 0, "number of the first pair")
	flag.IntVar(&o.shrink, "shrink", 10, "how many differences are shrunk")
	flag.StringVar(&o.out, "out", "out/translate", "folder for differences")
	flag.Parse()
	if flag.NArg() > 0 || o.pairs < 1 || o.batch < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := o.find(); err != nil {
		fmt.Fprintln(os.Stderr, "translate:", err)
		os.Exit(3)
	}
	for o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	different, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "translate:", err)
		os.Exit(2)
	}
	if different {
		os.Exit(1)
	}
}

type options struct {
	istiod, istioctl, out       string
	pairs, batch, first, shrink int
	seed                        uint64
}

// find looks for the programs that were not named.
func (o *options) find() error {
	if o.istiod == "" {
		b, err := binaries.Istiod()
		if err != nil {
			return err
		}
		o.istiod = b.Path
	}
	if o.istioctl == "" {
		if b, err := binaries.Istioctl(); err == nil {
			o.istioctl = b.Path
		}
	}
	return nil
}

// run plays all batches and prints the summary.
func run(ctx context.Context, o options) (different bool, err error) {
	begin := time.Now()
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "translate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	s := newSummary(o)
	for n, meshes := 0, meshes(); n < o.pairs; n += o.batch {
		b := batch{options: o, dir: filepath.Join(dir, fmt.Sprint(n)), mesh: meshes[n/o.batch%len(meshes)], summary: s}
		for i := range min(o.batch, o.pairs-n) {
			b.pairs = append(b.pairs, draw(o.seed, o.first+n+i))
		}
		if err := b.run(ctx); err != nil {
			return false, fmt.Errorf("seed %d, pairs from %d, mesh %s: %w", o.seed, o.first+n, b.mesh.name, err)
		}
	}
	s.took = time.Since(begin)
	fmt.Print(s)
	return len(s.differences) > 0, nil
}
