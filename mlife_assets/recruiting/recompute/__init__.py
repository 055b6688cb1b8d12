"""Feature rows derived again from raw events, to the bit: the one unlabelled defence against wrong joins."""
