"""A store that a team shares: PostgreSQL, whose server says who somebody is and who may do what."""
