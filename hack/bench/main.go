package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case serveArg:
			serve()
			return
		case serveUpstreamArg:
			serveUpstream()
			return
		}
	}
	rounds := flag.Int("rounds", 6, "rounds, each running every row of a figure once")
	only := flag.String("only", "", "the figures to measure, separated by commas; empty: all")
	bin := flag.String("bin", "bin", "folder of faildrill and barecobra")
	istioctl := flag.String("istioctl", os.Getenv("ISTIOCTL"), "istioctl, to compare with its analyze; empty: leave that out")
	flag.Parse()
	if err := run(*rounds, *only, *bin, *istioctl); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, only, bin, istioctl string) error {
	began := time.Now()
	folder, err := os.MkdirTemp("", "faildrill-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if only == kindFigure {
		f, err := kindUp(bin, folder)
		if err != nil {
			return err
		}
		missed, err := f.measure(os.Stdout, rounds)
		if err == nil {
			fmt.Printf("\n%d rows missed a goal; %.0f s\n", missed, time.Since(began).Seconds())
		}
		return err
	}
	servers, err := startServers(2)
	if err != nil {
		return err
	}
	defer servers.stop()
	programs, err := programs(bin, istioctl, folder)
	if err != nil {
		return err
	}
	figures := []figure{atOnce(), withServiceTimes(), scaling(), hour(), prober(servers)}
	figures = append(figures, programs...)
	envoy, stop, err := throughEnvoy(folder)
	switch lacks := (*binaries.NotFoundError)(nil); {
	case errors.As(err, &lacks):
		fmt.Fprintf(os.Stderr, "bench: without the figure %s: %v\n", envoy.name, err)
	case err != nil:
		return err
	default:
		defer stop()
		figures = append(figures, envoy)
	}
	missed, measured := 0, 0
	for _, f := range figures {
		if only != "" && !strings.Contains(","+only+",", ","+f.name+",") {
			continue
		}
		m, err := f.measure(os.Stdout, rounds)
		if err != nil {
			return err
		}
		missed += m
		measured++
	}
	if measured == 0 {
		return fmt.Errorf("no figure is called %q", only)
	}
	fmt.Printf("\n%d rows missed a goal; %.0f s\n", missed, time.Since(began).Seconds())
	return nil
}
