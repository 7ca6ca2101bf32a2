package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kindFigure is asked for by its name alone: it needs Docker, and minutes.
const kindFigure = "kind"

// kindClusters are the names of the two that are made; no other is touched.
const (
	kindByHand = "faildrill-bench-hand"
	kindOwn    = "faildrill-bench"
)

// kindUp compares faildrill kind up with what people type instead: kind create cluster and
// istioctl install, with the same images, configuration and arguments. The images are there.
func kindUp(bin, folder string) (figure, error) {
	faildrill, kind := filepath.Join(bin, "faildrill"), filepath.Join(bin, "kind")
	var hand struct {
		Config, Node, Istioctl string
		Install                []string
	}
	out, err := tool(filepath.Join(bin, "faildrill-cluster"), "kind", "by-hand", "{}")
	if err == nil {
		err = json.Unmarshal(out, &hand)
	}
	if err != nil {
		return figure{}, err
	}
	config, kubeconfig := filepath.Join(folder, "kind.yaml"), filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(config, []byte(hand.Config), 0o600); err != nil {
		return figure{}, err
	}
	byHand := func() ([]float64, error) {
		began := time.Now()
		_, err := tool(kind, "create", "cluster", "--name", kindByHand, "--config", config, "--image", hand.Node, "--kubeconfig", kubeconfig)
		if err == nil {
			_, err = tool(hand.Istioctl, append(hand.Install, "--kubeconfig", kubeconfig, "--context", "kind-"+kindByHand)...)
		}
		took := time.Since(began).Seconds()
		if _, gone := tool(kind, "delete", "cluster", "--name", kindByHand, "--kubeconfig", kubeconfig); err == nil {
			err = gone
		}
		return []float64{took}, err
	}
	up := func() ([]float64, error) {
		began := time.Now()
		_, err := tool(faildrill, "kind", "up")
		took := time.Since(began).Seconds()
		if _, gone := tool(faildrill, "kind", "down"); err == nil {
			err = gone
		}
		return []float64{took}, err
	}
	var images struct {
		Results []struct{ Present bool }
	}
	if out, err = tool(faildrill, "images", "list", "-o", "json"); err == nil {
		err = json.Unmarshal(out, &images)
	}
	if err != nil {
		return figure{}, err
	}
	for _, image := range images.Results {
		if !image.Present {
			if _, err := up(); err != nil { // Docker has all of them afterwards
				return figure{}, err
			}
			break
		}
	}
	const peer = "kind create cluster + istioctl install"
	return figure{name: kindFigure, title: "A cluster with Istio, images present", trials: []trial{
		{rows: []row{{what: peer, unit: "s"}}, run: byHand},
		{rows: []row{{what: "faildrill kind up", unit: "s", peer: peer, ratio: 1.15}}, run: up},
	}}, nil
}

// tool runs a program beside the clusters of others; what it says last is the error.
func tool(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "FAILDRILL_KIND_CLUSTER="+kindOwn)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, lines[len(lines)-1])
	}
	return out, nil
}
