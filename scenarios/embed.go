// Package scenarios carries the drills that faildrill ships: one YAML file a
// drill, one folder a topic.
//
// It is data without logic. A path under scenarios/ that is missing on disk is
// read from here; FORMAT.md describes the file format.
//
//	faildrill run scenarios/failover/
package scenarios

import "embed"

// FS holds the folders beside this file.
//
//go:embed all:*
var FS embed.FS
