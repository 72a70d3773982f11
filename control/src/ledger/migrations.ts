// SPDX-License-Identifier: BSD-3-Clause
/**
 * The ledger's tables, as steps from one version to the next. A step that was
 * released never changes: what must change gets a step of its own. The version
 * of a file is its `user_version`, which is the number of steps it has had.
 */
export const MIGRATIONS: readonly string[] = [
  // 1: jobs, their leases, the VFs of each lease, and how often each VF was given out.
  `
  CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs (
    key          INTEGER PRIMARY KEY AUTOINCREMENT,
    uid          INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    ranks        INTEGER,
    spread       TEXT,
    vfs          INTEGER,          -- reserved for it; null: it takes what is free
    memory_bytes INTEGER,          -- budget for all its VFs together
    time_limit_s INTEGER,
    wait_until   INTEGER,          -- of a queued job: when it is refused
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'open', 'ended')),
    created_at   INTEGER NOT NULL, -- times in ms since 1970
    opened_at    INTEGER,
    ended_at     INTEGER,
    how          TEXT,
    -- Totals of its ended leases, which outlive the leases' own rows.
    leases       INTEGER NOT NULL DEFAULT 0,
    vf_ms        INTEGER NOT NULL DEFAULT 0,
    tx_frames    INTEGER NOT NULL DEFAULT 0,
    tx_bytes     INTEGER NOT NULL DEFAULT 0,
    rx_frames    INTEGER NOT NULL DEFAULT 0,
    rx_bytes     INTEGER NOT NULL DEFAULT 0,
    uncounted    INTEGER NOT NULL DEFAULT 0, -- VFs whose counters could not be read
    peak_bytes   INTEGER NOT NULL DEFAULT 0, -- most that one VF had registered
    UNIQUE (uid, id)
  ) STRICT;

  CREATE TABLE leases (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    job           INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
    uid           INTEGER NOT NULL,
    pid           INTEGER NOT NULL,
    start_ticks   INTEGER NOT NULL, -- with the pid, the process: field 22 of /proc/PID/stat
    rank          INTEGER NOT NULL,
    ranks         INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('granting', 'held', 'ending', 'ended')),
    how           TEXT,
    granted_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    sampled_at    INTEGER,
    dma_limit_bytes INTEGER NOT NULL,
    memlock_bytes INTEGER,          -- as set for the process; -1 unlimited, null untouched
    memlock_soft  TEXT,             -- what it was before
    memlock_hard  TEXT
  ) STRICT;
  CREATE INDEX leases_by_job ON leases (job);
  CREATE INDEX leases_open ON leases (state) WHERE state <> 'ended';

  CREATE TABLE lease_vfs (
    lease      INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL,
    vf         TEXT    NOT NULL,    -- the VF as it was, in JSON
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    last       TEXT,                -- registers at the last reading, in JSON
    tx_frames  INTEGER,             -- null: not known
    tx_bytes   INTEGER,
    rx_frames  INTEGER,
    rx_bytes   INTEGER,
    peak_bytes INTEGER,
    PRIMARY KEY (lease, place)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX lease_vfs_by_name ON lease_vfs (name);

  CREATE TABLE vfs (
    name       TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,    -- grows by one with every lease of the VF
    tx_frames  INTEGER NOT NULL DEFAULT 0, -- under all its ended leases
    tx_bytes   INTEGER NOT NULL DEFAULT 0,
    rx_frames  INTEGER NOT NULL DEFAULT 0,
    rx_bytes   INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  `,
  // 2: fewer pages to write while processes wait for their leases. What a VF is stands once for all its leases; readings are
  // integers; who had a VF is found without an index; a lease moves in the index of those under way when it begins and ends only;
  // how often a VF was given out is in the rows of its leases until they end; the daemon counts the leases itself.
  `
  CREATE TABLE vf_descriptions (
    key INTEGER PRIMARY KEY,
    vf  TEXT NOT NULL UNIQUE          -- a VF as it was, in JSON
  ) STRICT;
  INSERT INTO vf_descriptions (vf) SELECT DISTINCT vf FROM lease_vfs;

  CREATE TABLE new_leases (
    id            INTEGER PRIMARY KEY, -- grows; the oldest are forgotten first, so that none comes twice
    job           INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
    uid           INTEGER NOT NULL,
    pid           INTEGER NOT NULL,
    start_ticks   INTEGER NOT NULL,
    rank          INTEGER NOT NULL,
    ranks         INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('granting', 'held', 'ending', 'ended')),
    how           TEXT,
    granted_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    sampled_at    INTEGER,
    dma_limit_bytes INTEGER NOT NULL,
    memlock_bytes INTEGER,
    memlock_soft  TEXT,
    memlock_hard  TEXT
  ) STRICT;
  INSERT INTO new_leases
    SELECT id, job, uid, pid, start_ticks, rank, ranks, state, how, granted_at, ended_at, sampled_at, dma_limit_bytes, memlock_bytes, memlock_soft, memlock_hard
    FROM leases;

  CREATE TABLE new_lease_vfs (
    lease       INTEGER NOT NULL REFERENCES new_leases (id) ON DELETE CASCADE,
    place       INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    description INTEGER NOT NULL REFERENCES vf_descriptions (key),
    last_tx_frames INTEGER,           -- registers at the last reading; null: not known
    last_tx_bytes  INTEGER,
    last_rx_frames INTEGER,
    last_rx_bytes  INTEGER,
    tx_frames   INTEGER,              -- carried under this lease; null: not known
    tx_bytes    INTEGER,
    rx_frames   INTEGER,
    rx_bytes    INTEGER,
    peak_bytes  INTEGER,
    PRIMARY KEY (lease, place)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_lease_vfs
    SELECT lease, place, name, generation, key, last ->> 'txFrames', last ->> 'txBytes', last ->> 'rxFrames', last ->> 'rxBytes',
      tx_frames, tx_bytes, rx_frames, rx_bytes, peak_bytes
    FROM lease_vfs JOIN vf_descriptions USING (vf);

  DROP TABLE lease_vfs;
  DROP TABLE leases;
  ALTER TABLE new_leases RENAME TO leases;
  ALTER TABLE new_lease_vfs RENAME TO lease_vfs;
  CREATE INDEX leases_by_job ON leases (job);
  CREATE INDEX leases_open ON leases (id) WHERE ended_at IS NULL;
  `,
  // 3: what lasts is timed by a clock that nobody sets: ms since the machine was started (CLOCK_BOOTTIME), which mean something
  // as long as boot_id in meta is the machine's. A job may be of one run of a program; those that plain mpirun made are.
  `
  ALTER TABLE jobs ADD COLUMN wait_boot INTEGER;
  ALTER TABLE jobs ADD COLUMN opened_boot INTEGER;
  ALTER TABLE jobs ADD COLUMN one_run INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE leases ADD COLUMN granted_boot INTEGER;
  ALTER TABLE leases ADD COLUMN sampled_boot INTEGER;
  UPDATE jobs SET one_run = 1 WHERE state = 'open' AND vfs IS NULL AND memory_bytes IS NULL AND time_limit_s IS NULL AND id NOT GLOB 'job-*-*';
  `,
  // 4: a job may run on several nodes, whose names stand here, and may have a name that its maker has chosen: so it is written down
  // that somebody has made it.
  `
  ALTER TABLE jobs ADD COLUMN hosts TEXT;
  ALTER TABLE jobs ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
  UPDATE jobs SET made = 1 WHERE id GLOB 'job-[0-9a-z]*-[0-9]*';
  `,
  // 5: a resource manager may have assigned VFs to a job, by name.
  `
  ALTER TABLE jobs ADD COLUMN vf_names TEXT;
  `,
  // 6: what processes say of how they used their VFs, when they give them back.
  `
  ALTER TABLE jobs ADD COLUMN reports INTEGER NOT NULL DEFAULT 0;       -- leases that came with a report
  ALTER TABLE jobs ADD COLUMN retransmitted INTEGER NOT NULL DEFAULT 0; -- frames
  ALTER TABLE jobs ADD COLUMN fallbacks INTEGER NOT NULL DEFAULT 0;
  `,
  // 7: a lease of several VFs may lose one and go on with the others; its process says of each how it fared. A job may be of one
  // host whose processes share memory, and so lease nothing.
  `
  ALTER TABLE lease_vfs ADD COLUMN taken_at INTEGER;      -- null: it was not
  ALTER TABLE lease_vfs ADD COLUMN taken_boot INTEGER;
  ALTER TABLE lease_vfs ADD COLUMN taken_how TEXT;
  ALTER TABLE lease_vfs ADD COLUMN retransmitted INTEGER; -- frames; null, as the next: its process said nothing
  ALTER TABLE lease_vfs ADD COLUMN asides INTEGER;
  ALTER TABLE lease_vfs ADD COLUMN aside_why TEXT;
  ALTER TABLE jobs ADD COLUMN shares_memory INTEGER NOT NULL DEFAULT 0;
  `,
  // 8: totals by user and day, which last when the rows of leases and jobs are forgotten. They begin with what is known of jobs.
  `
  CREATE TABLE usage (
    day           INTEGER NOT NULL,           -- on which its leases ended: days since 1970, UTC
    uid           INTEGER NOT NULL,
    jobs          INTEGER NOT NULL,           -- whose first lease ended on that day
    leases        INTEGER NOT NULL,
    vf_ms         INTEGER NOT NULL,
    tx_frames     INTEGER NOT NULL,
    tx_bytes      INTEGER NOT NULL,
    rx_frames     INTEGER NOT NULL,
    rx_bytes      INTEGER NOT NULL,
    uncounted     INTEGER NOT NULL,
    peak_bytes    INTEGER NOT NULL,
    reports       INTEGER NOT NULL,
    retransmitted INTEGER NOT NULL,
    fallbacks     INTEGER NOT NULL,
    PRIMARY KEY (day, uid)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO usage
    SELECT coalesce(ended_at, opened_at, created_at) / 86400000, uid, count(*), sum(leases), sum(vf_ms), sum(tx_frames), sum(tx_bytes), sum(rx_frames), sum(rx_bytes),
      sum(uncounted), max(peak_bytes), sum(reports), sum(retransmitted), sum(fallbacks)
    FROM jobs WHERE leases > 0 GROUP BY 1, 2;
  `,
  // 9: a process says of its VFs while it has them, too.
  `
  ALTER TABLE lease_vfs ADD COLUMN aside INTEGER NOT NULL DEFAULT 0; -- 1: set aside now
  `,
];
