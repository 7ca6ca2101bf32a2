package incluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/kube"
)

// rejected is a refusal as the backend reports it.
func rejected(err error) error {
	var r *kube.RefusedError
	if errors.As(err, &r) && !r.Forbidden {
		return &backend.RejectedError{By: "istiod", Reason: r.Reason}
	}
	return err
}

// documents are the objects of a configuration, in the drill's namespace.
func (p *player) documents(config int) ([]*kube.Object, error) {
	var os []*kube.Object
	for _, d := range p.s.Documents[config] {
		o, err := kube.Parse(d.YAML)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", d.File, d.Line, err)
		}
		o.SetNamespace(p.o.Settings.Namespace)
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[RunLabel] = p.o.Settings.Run
		o.SetLabels(labels)
		if o.GetName() == "" {
			o.SetName(d.Name)
		}
		os = append(os, o)
	}
	return os, nil
}

// configure makes a configuration that of the cluster: what it has is applied, and what
// only the ones before it had is deleted.
func (p *player) configure(ctx context.Context, config int) error {
	now, err := p.documents(config)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, o := range now {
		has[kube.String(o)] = true
	}
	if p.o.Settings.Own {
		err = p.o.Cluster.Apply(ctx, now...)
	} else {
		err = p.o.Cluster.ApplyOwn(ctx, RunLabel, now...)
	}
	if err != nil {
		return rejected(err)
	}
	for before := range config {
		old, err := p.documents(before)
		if err != nil {
			return err
		}
		for _, o := range old {
			if has[kube.String(o)] {
				continue
			}
			has[kube.String(o)] = true
			if err := p.o.Cluster.Delete(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}
