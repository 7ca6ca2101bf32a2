package usercluster

import (
	_ "embed"
	"strings"
)

// roleYAML is the one source of the rights: the README prints it, and the preflight checks each.
//
//go:embed role.yaml
var roleYAML string

// RoleFor is the Role that is enough, with a RoleBinding to a ServiceAccount of the same name.
func RoleFor(namespace string) string { return strings.ReplaceAll(roleYAML, "NAMESPACE", namespace) }
