package istio

func (t *translator) validate(resources []*Resource)   {}
func (t *translator) warnUnused(resources []*Resource) {}
