//go:build !linux

package doctor

import (
	"os/exec"
	"time"
)

func kernel() string { return "" }

func probeInotify() Inotify { return Inotify{} }

func probeNamespaces(*exec.Cmd, time.Duration) Namespaces { return Namespaces{} }
