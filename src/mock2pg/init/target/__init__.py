"""`--from-target`: what the tables of an existing database say wins over what the values show."""
