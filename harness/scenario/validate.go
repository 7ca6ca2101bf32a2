package scenario

func validate(in *Input, checks Checks) Problems { return nil }
