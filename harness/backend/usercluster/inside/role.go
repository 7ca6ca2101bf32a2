package inside

import (
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/kube"
)

// Rights are those of the Role, one by one.
func Rights() ([]kube.Right, error) {
	text, _, _ := strings.Cut(usercluster.RoleFor("any"), "\n---\n")
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(text), &role); err != nil {
		return nil, fmt.Errorf("reading the Role: %w", err)
	}
	var out []kube.Right
	for _, r := range role.Rules {
		for _, g := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, v := range r.Verbs {
					out = append(out, kube.Right{Verb: v, Group: g, Resource: resource})
				}
			}
		}
	}
	return out, nil
}
