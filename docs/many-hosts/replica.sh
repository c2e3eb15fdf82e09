#!/bin/sh
# A streaming replica of the database: copied at the first start, and followed from then on.
# usage: replica.sh postgres …    with PGDATA, POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD
set -eu
primary="host=${PRIMARY_HOST:-database} port=${PRIMARY_PORT:-5432} user=$POSTGRES_USER"
slot="${REPLICA_SLOT:-replica_1}"
export PGPASSWORD="$POSTGRES_PASSWORD"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	# The slot keeps what the replica has not fetched: drop it on the primary when the replica is given up.
	psql -qAt "$primary dbname=$POSTGRES_DB" -c "SELECT pg_create_physical_replication_slot('$slot')
		WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '$slot')"
	# Beside its place first: a copy that was cut off is made anew.
	rm -rf "$PGDATA.unfinished"
	mkdir -p "$(dirname "$PGDATA")"
	pg_basebackup -d "$primary" -D "$PGDATA.unfinished" -R -X stream -S "$slot" --checkpoint=fast
	rmdir "$PGDATA" 2>/dev/null || true
	mv "$PGDATA.unfinished" "$PGDATA"
fi
exec "$@"
