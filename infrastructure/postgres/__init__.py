"""PostgreSQL: the one package that knows psycopg. Everything it has lies in the schema ``coremachine``."""
