//go:build !linux

package doctor

import "context"

func kernel() string { return "" }

func probeNamespaces(context.Context, []string) Namespaces { return Namespaces{} }
