SHELVES = ("history", "poetry", "travel")
