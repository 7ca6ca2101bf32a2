package check

// KnownDifference is a line of the tables, for tests.
type KnownDifference struct{ Table, Path, Reason string }

// KnownDifferences are all lines of the tables.
func KnownDifferences() []KnownDifference {
	var list []KnownDifference
	for table, f := range map[string]fields{"cluster": clusterFields, "endpoints": endpointFields, "routes": routeFields} {
		for _, k := range f.known {
			list = append(list, KnownDifference{table, k.path, k.reason})
		}
	}
	for name, reason := range unpredicted {
		list = append(list, KnownDifference{"cluster", name, reason})
	}
	return list
}
