-- The tables of version 0.1, room by room. Frozen once released: what changes later is a later revision.

-- core

create table opsteward.installation (
    migration text not null,
    engine text not null,
    functions text not null,
    key_fingerprint text,
    constraint pk_installation primary key (migration)
);

create table opsteward.processes (
    id uuid not null,
    host text not null,
    pid int not null,
    pid_started double precision not null,
    kind text not null,
    version text not null,
    started_at timestamptz not null,
    beat_at timestamptz not null,
    lost_at timestamptz,
    constraint pk_processes primary key (id)
);

create table opsteward.changes (
    id uuid not null,
    tenant_id uuid not null,
    seq bigint,
    type text not null,
    at timestamptz not null,
    data jsonb not null,
    constraint pk_changes primary key (id),
    constraint uq_changes_tenant_id_seq unique (tenant_id, seq)
);
create index ix_changes_at on opsteward.changes (at);
create index ix_changes_unsequenced on opsteward.changes (tenant_id, at, id) where seq is null;

create table opsteward.change_heads (
    tenant_id uuid not null,
    seq bigint not null,
    constraint pk_change_heads primary key (tenant_id)
);

create table opsteward.timers (
    tenant_id uuid not null,
    kind text not null,
    key text not null,
    due_at timestamptz not null,
    constraint pk_timers primary key (tenant_id, kind, key)
);
create index ix_timers_due_at on opsteward.timers (due_at);

-- accounts and directory

create table opsteward.tenants (
    id uuid not null,
    name text not null,
    status text not null,
    created_at timestamptz not null,
    constraint pk_tenants primary key (id),
    constraint uq_tenants_name unique (name)
);

create table opsteward.operators (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    name_key text not null,
    roles text[] not null,
    created_by text not null,
    status text not null,
    created_at timestamptz not null,
    constraint pk_operators primary key (id),
    constraint uq_operators_tenant_id_name_key unique (tenant_id, name_key)
);

create table opsteward.tokens (
    id uuid not null,
    tenant_id uuid not null,
    operator_id uuid not null,
    kind text not null,
    name text not null,
    secret_hash bytea not null,
    issued_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    scopes text[],
    made_at timestamptz not null default now(),
    constraint pk_tokens primary key (id),
    constraint uq_tokens_secret_hash unique (secret_hash),
    constraint fk_tokens_operator_id foreign key (operator_id) references opsteward.operators (id)
);
create index ix_tokens_tenant_operator on opsteward.tokens (tenant_id, operator_id);

create table opsteward.operator_passwords (
    id uuid not null,
    tenant_id uuid not null,
    operator_id uuid not null,
    hash text not null,
    set_by text not null,
    changed_at timestamptz not null,
    made_at timestamptz not null default now(),
    constraint pk_operator_passwords primary key (id),
    constraint uq_operator_passwords_tenant_id_operator_id unique (tenant_id, operator_id),
    constraint fk_operator_passwords_operator_id foreign key (operator_id) references opsteward.operators (id)
);

create table opsteward.outside_identities (
    id uuid not null,
    tenant_id uuid not null,
    operator_id uuid not null,
    issuer text not null,
    subject text not null,
    bound_at timestamptz not null,
    constraint pk_outside_identities primary key (id),
    constraint uq_outside_identities_tenant_id_issuer_subject unique (tenant_id, issuer, subject),
    constraint uq_outside_identities_tenant_id_operator_id_issuer unique (tenant_id, operator_id, issuer),
    constraint fk_outside_identities_operator_id foreign key (operator_id) references opsteward.operators (id)
);

create table opsteward.sign_in_attempts (
    key bytea not null,
    free_tries int not null,
    failures int not null,
    last_at timestamptz not null,
    blocked_until timestamptz,
    constraint pk_sign_in_attempts primary key (key)
);
create index ix_sign_in_attempts_last on opsteward.sign_in_attempts (last_at);

create table opsteward.used_sign_in_states (
    state_hash bytea not null,
    until timestamptz not null,
    constraint pk_used_sign_in_states primary key (state_hash)
);
create index ix_used_sign_in_states_until on opsteward.used_sign_in_states (until);

create table opsteward.webhooks (
    id uuid not null,
    tenant_id uuid not null,
    kind text not null,
    name text not null,
    secret_sealed bytea not null,
    created_by text not null,
    created_at timestamptz not null,
    revoked_at timestamptz,
    constraint pk_webhooks primary key (id)
);
create index ix_webhooks_kind on opsteward.webhooks (kind) where revoked_at is null;

create table opsteward.sentry_projects (
    id uuid not null,
    tenant_id uuid not null,
    number bigint generated always as identity (start with 1001),
    name text not null,
    key_hash bytea not null,
    previous_key_hash bytea,
    previous_until timestamptz,
    created_by text not null,
    created_at timestamptz not null,
    last_used_at timestamptz,
    constraint pk_sentry_projects primary key (id),
    constraint uq_sentry_projects_tenant_id_name unique (tenant_id, name),
    constraint uq_sentry_projects_number unique (number),
    constraint uq_sentry_projects_key_hash unique (key_hash)
);
create index ix_sentry_projects_previous_key on opsteward.sentry_projects (previous_key_hash)
    where previous_key_hash is not null;

create table opsteward.used_signatures (
    id uuid not null,
    tenant_id uuid not null,
    digest bytea not null,
    until timestamptz not null,
    constraint pk_used_signatures primary key (id),
    constraint uq_used_signatures_tenant_id_digest unique (tenant_id, digest)
);
create index ix_used_signatures_until on opsteward.used_signatures (until);

create table opsteward.users (
    id uuid not null,
    tenant_id uuid not null,
    username text not null,
    username_key text collate "C" not null,
    email text,
    email_key text,
    full_name text not null,
    status text not null,
    role text not null,
    department text,
    manager_id uuid,
    external_id text,
    permissions text[] not null,
    system_access text[] not null,
    profile_data jsonb not null,
    tags text[] not null,
    scim jsonb,
    source text not null,
    created_by text not null,
    holds_names boolean not null default true,
    version int not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deactivated_at timestamptz,
    expires_at timestamptz,
    lookalike_key text,
    looks_like uuid,
    search_key text generated always as
        (username_key || E'\n' || coalesce(email_key, '') || E'\n' || lower(full_name)) stored,
    constraint pk_users primary key (id)
);
create index ix_users_expires on opsteward.users (expires_at) where expires_at is not null;
create index ix_users_external on opsteward.users (tenant_id, external_id) where external_id is not null;
create index ix_users_lookalike on opsteward.users (tenant_id, lookalike_key) where lookalike_key is not null;
create index ix_users_manager on opsteward.users (tenant_id, manager_id) where manager_id is not null;
create index ix_users_status on opsteward.users (tenant_id, status) where holds_names;
create unique index uq_users_email on opsteward.users (tenant_id, email_key)
    where holds_names and status in ('active', 'pending', 'suspended');
create index ix_users_email on opsteward.users (tenant_id, email_key) where holds_names;
create unique index uq_users_username on opsteward.users (tenant_id, username_key) where holds_names;

create table opsteward.user_changes (
    id uuid not null,
    tenant_id uuid not null,
    user_id uuid not null,
    at timestamptz not null,
    actor text not null,
    what text not null,
    reason text not null,
    fields jsonb not null,
    correlation_id text not null,
    constraint pk_user_changes primary key (id)
);
create index ix_user_changes_user on opsteward.user_changes (tenant_id, user_id, id);

create table opsteward.user_grants (
    id uuid not null,
    tenant_id uuid not null,
    user_id uuid not null,
    kind text not null,
    name text not null,
    granted_by text not null,
    reason text not null,
    granted_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    denied boolean not null default false,
    constraint pk_user_grants primary key (id)
);
create index ix_user_grants_due on opsteward.user_grants (expires_at)
    where revoked_at is null and expires_at is not null;
create index ix_user_grants_user on opsteward.user_grants (tenant_id, user_id) where revoked_at is null;

create table opsteward.enrollments (
    id uuid not null,
    tenant_id uuid not null,
    user_id uuid not null,
    enrollment_type text not null,
    status text not null,
    automatic boolean not null,
    stages jsonb not null,
    stage int not null,
    requested_by text not null,
    requested_at timestamptz not null,
    decided_at timestamptz,
    approver text,
    reason text,
    due_at timestamptz,
    constraint pk_enrollments primary key (id)
);
create index ix_enrollments_due on opsteward.enrollments (due_at) where due_at is not null;
create index ix_enrollments_status on opsteward.enrollments (tenant_id, status, id);
create index ix_enrollments_user on opsteward.enrollments (tenant_id, user_id);

create table opsteward.enrollment_rules (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    rule jsonb not null,
    updated_by text not null,
    updated_at timestamptz not null,
    constraint pk_enrollment_rules primary key (id),
    constraint uq_enrollment_rules_tenant_id_name unique (tenant_id, name)
);

create table opsteward.duty_conflicts (
    id uuid not null,
    tenant_id uuid not null,
    first text not null,
    second text not null,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_duty_conflicts primary key (id),
    constraint uq_duty_conflicts_tenant_id_first_second unique (tenant_id, first, second)
);

create table opsteward.access_reviews (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    status text not null,
    created_by text not null,
    created_at timestamptz not null,
    due_at timestamptz,
    closed_at timestamptz,
    items int not null default 0,
    undecided int not null default 0,
    revoked int not null default 0,
    constraint pk_access_reviews primary key (id)
);

create table opsteward.access_review_items (
    id uuid not null,
    tenant_id uuid not null,
    review_id uuid not null,
    user_id uuid not null,
    kind text not null,
    name text not null,
    decision text,
    decided_by text,
    decided_at timestamptz,
    reason text,
    earlier jsonb not null default '[]',
    constraint pk_access_review_items primary key (id),
    constraint uq_access_review_items_tenant_id_review_id_user_id_kind_name
        unique (tenant_id, review_id, user_id, kind, name)
);
create index ix_access_review_items_decision
    on opsteward.access_review_items (tenant_id, review_id, decision, user_id, kind, name);
create index ix_access_review_items_name
    on opsteward.access_review_items (tenant_id, review_id, name, decision, user_id, kind);

create table opsteward.import_jobs (
    id uuid not null,
    tenant_id uuid not null,
    status text not null,
    stage text not null default 'rows'::text,
    mode text not null,
    dry_run boolean not null,
    options jsonb not null,
    digest text,
    size bigint not null default '0'::bigint,
    requested_by text not null,
    task_id uuid,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    cursor uuid,
    position int not null default 0,
    progress int not null default 0,
    created int not null default 0,
    changed int not null default 0,
    unchanged int not null default 0,
    departed int not null default 0,
    failed int not null default 0,
    nameless int not null default 0,
    errors int not null default 0,
    warnings int not null default 0,
    notes text[] not null default '{}'::text[],
    diff jsonb not null default '{}'::jsonb,
    error text,
    constraint pk_import_jobs primary key (id)
);
create index ix_import_jobs_digest on opsteward.import_jobs (tenant_id, digest);

create table opsteward.import_parts (
    id uuid not null,
    tenant_id uuid not null,
    job_id uuid not null,
    number int not null,
    data bytea not null,
    constraint pk_import_parts primary key (id),
    constraint uq_import_parts_tenant_id_job_id_number unique (tenant_id, job_id, number)
);

create table opsteward.import_rows (
    tenant_id uuid not null,
    job_id uuid not null,
    user_id uuid not null,
    "row" int not null,
    outcome text not null,
    manager text,
    username_key text,
    email_key text,
    dn_key text,
    constraint pk_import_rows primary key (tenant_id, job_id, user_id)
);
create index ix_import_rows_dn on opsteward.import_rows (tenant_id, job_id, dn_key) where dn_key is not null;
create index ix_import_rows_email on opsteward.import_rows (tenant_id, job_id, email_key)
    where email_key is not null;
create index ix_import_rows_username on opsteward.import_rows (tenant_id, job_id, username_key)
    where username_key is not null;

create table opsteward.import_batches (
    id uuid not null,
    tenant_id uuid not null,
    job_id uuid not null,
    digests bytea not null,
    user_ids bytea not null,
    constraint pk_import_batches primary key (id),
    constraint fk_import_batches_job_id_import_jobs foreign key (job_id) references opsteward.import_jobs (id) on delete cascade
);
create index ix_import_batches_job on opsteward.import_batches (tenant_id, job_id, id);

create table opsteward.user_directory_names (
    tenant_id uuid not null,
    dn_key text not null,
    user_id uuid not null,
    constraint pk_user_directory_names primary key (tenant_id, dn_key)
);
create index ix_user_directory_names_user on opsteward.user_directory_names (tenant_id, user_id);

create table opsteward.import_problems (
    id uuid not null,
    tenant_id uuid not null,
    job_id uuid not null,
    "row" int not null,
    line int,
    kind text not null,
    field text not null,
    reason text not null,
    value text not null,
    constraint pk_import_problems primary key (id)
);
create index ix_import_problems_row on opsteward.import_problems (tenant_id, job_id, "row", id);

create table opsteward.scim_groups (
    id uuid not null,
    tenant_id uuid not null,
    display_name text not null,
    display_key text collate "C" not null,
    external_id text,
    scim jsonb,
    version int not null default 1,
    created_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint pk_scim_groups primary key (id)
);
create index ix_scim_groups_external on opsteward.scim_groups (tenant_id, external_id) where external_id is not null;
create index ix_scim_groups_name on opsteward.scim_groups (tenant_id, display_key);

create table opsteward.scim_group_members (
    id uuid not null,
    tenant_id uuid not null,
    group_id uuid not null,
    member_id uuid not null,
    kind text not null,
    display text,
    constraint pk_scim_group_members primary key (id),
    constraint uq_scim_group_members_tenant_id_group_id_member_id unique (tenant_id, group_id, member_id),
    constraint fk_scim_group_members_group_id
        foreign key (group_id) references opsteward.scim_groups (id) on delete cascade
);
create index ix_scim_group_members_member on opsteward.scim_group_members (tenant_id, member_id);

create table opsteward.scim_emails (
    id uuid not null,
    tenant_id uuid not null,
    user_id uuid not null,
    email_key text not null,
    constraint pk_scim_emails primary key (id)
);
create index ix_scim_emails_key on opsteward.scim_emails (tenant_id, email_key);
create index ix_scim_emails_user on opsteward.scim_emails (tenant_id, user_id);

-- telemetry

create table opsteward.audit_entries (
    id uuid not null,
    tenant_id uuid not null,
    at timestamptz not null,
    actor text not null,
    token_id uuid,
    verb text not null,
    object_type text not null,
    object_id text not null,
    correlation_id text not null,
    detail jsonb not null,
    writer uuid,
    writer_number bigint,
    writer_before bigint,
    mark bytea,
    constraint pk_audit_entries primary key (id)
);
create index ix_audit_entries_tenant_actor on opsteward.audit_entries (tenant_id, actor, at);
create index ix_audit_entries_tenant_at on opsteward.audit_entries (tenant_id, at);
create index ix_audit_entries_tenant_object on opsteward.audit_entries (tenant_id, object_id);

create table opsteward.audit_seals (
    tenant_id uuid not null,
    seq bigint not null,
    entry_id uuid not null,
    hash text not null,
    sealed_at timestamptz not null,
    constraint pk_audit_seals primary key (tenant_id, seq),
    constraint uq_audit_seals_tenant_id_entry_id unique (tenant_id, entry_id)
);

create table opsteward.audit_heads (
    tenant_id uuid not null,
    seq bigint not null,
    hash text not null,
    constraint pk_audit_heads primary key (tenant_id)
);

create table opsteward.audit_pending (
    tenant_id uuid not null,
    entry_id uuid not null,
    refused text,
    constraint pk_audit_pending primary key (tenant_id, entry_id)
);

-- tasks

create table opsteward.tasks (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    description text not null,
    task_type text not null,
    priority smallint not null,
    status text not null,
    ready boolean not null,
    waiting_on int not null,
    run_at timestamptz not null,
    params jsonb not null,
    metadata jsonb not null,
    dependencies uuid[] not null,
    dedup_key text,
    schedule_id uuid,
    requested_by text not null,
    correlation_id text not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    process_id uuid,
    progress smallint not null,
    progress_message text not null,
    result jsonb,
    error text,
    cancel_requested boolean not null,
    retry_count int not null,
    takeovers int not null,
    max_retries int not null,
    backoff_factor double precision not null,
    max_backoff double precision not null,
    timeout double precision not null,
    tries jsonb not null default '[]',
    repeat_key uuid,
    constraint pk_tasks primary key (id)
);
create index ix_tasks_due on opsteward.tasks (run_at)
    where status = 'pending' and not ready and waiting_on = 0;
create index ix_tasks_ended on opsteward.tasks (ended_at) where ended_at is not null;
create index ix_tasks_ready on opsteward.tasks (tenant_id, task_type, priority, id) where ready;
create index ix_tasks_running on opsteward.tasks (process_id) where status = 'in_progress';
create index ix_tasks_tenant_id on opsteward.tasks (tenant_id, id);
create index ix_tasks_tenant_status on opsteward.tasks (tenant_id, status, id);
create unique index uq_tasks_dedup on opsteward.tasks (tenant_id, dedup_key)
    where dedup_key is not null and status in ('pending', 'in_progress');
create unique index uq_tasks_repeat on opsteward.tasks (tenant_id, repeat_key) where repeat_key is not null;

create table opsteward.task_dependencies (
    tenant_id uuid not null,
    depends_on uuid not null,
    task_id uuid not null,
    constraint pk_task_dependencies primary key (tenant_id, depends_on, task_id)
);

create table opsteward.task_schedules (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    cron text not null,
    timezone text not null,
    task jsonb not null,
    paused boolean not null,
    next_at timestamptz not null,
    last_at timestamptz,
    last_error text,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_task_schedules primary key (id),
    constraint uq_task_schedules_tenant_id_name unique (tenant_id, name)
);
create index ix_task_schedules_next on opsteward.task_schedules (next_at) where not paused;

create table opsteward.task_limits (
    id uuid not null,
    tenant_id uuid not null,
    task_type text not null,
    max_running int not null,
    constraint pk_task_limits primary key (id),
    constraint uq_task_limits_tenant_id_task_type unique (tenant_id, task_type)
);

create table opsteward.pauses (
    id uuid not null,
    tenant_id uuid not null,
    scope text not null,
    target text not null,
    reason text not null,
    paused_by text not null,
    paused_at timestamptz not null,
    constraint pk_pauses primary key (id),
    constraint uq_pauses_tenant_id_scope_target unique (tenant_id, scope, target)
);

-- systems

create table opsteward.systems (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    name_key text not null,
    former_names text[] not null default '{}',
    type text not null,
    endpoint text not null,
    health_check_url text,
    sync_frequency int,
    criticality text not null,
    credentials_sealed bytea,
    settings jsonb not null,
    depends_on uuid[] not null,
    enabled boolean not null default true,
    owner text,
    tags text[] not null default '{}',
    runbook_url text,
    circuit_failures int not null default 0,
    circuit_open_until timestamptz,
    circuit_reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    health text not null,
    health_since timestamptz not null,
    checked_at timestamptz,
    response_time double precision,
    checks_total int not null,
    checks_failed int not null,
    passes_in_a_row int not null,
    evidence jsonb not null,
    warnings_in_a_row int not null,
    passing_since timestamptz,
    relapses int not null,
    silenced_by text,
    budget_alert text,
    constraint pk_systems primary key (id),
    constraint uq_systems_tenant_id_name_key unique (tenant_id, name_key)
);
create index ix_systems_kept on opsteward.systems (tenant_id) where settings ? 'access_role';

create table opsteward.health_minutes (
    tenant_id uuid not null,
    system_id uuid not null,
    minute timestamptz not null,
    checks int not null,
    failed int not null,
    answered int not null,
    response_total double precision not null,
    response_max double precision not null,
    constraint pk_health_minutes primary key (tenant_id, system_id, minute)
);
create index ix_health_minutes_minute on opsteward.health_minutes (minute);

create table opsteward.health_days (
    tenant_id uuid not null,
    system_id uuid not null,
    day date not null,
    checks int not null,
    failed int not null,
    answered int not null,
    response_total double precision not null,
    constraint pk_health_days primary key (tenant_id, system_id, day)
);

create table opsteward.system_figures (
    tenant_id uuid not null,
    system_id uuid not null,
    name text not null,
    at timestamptz not null,
    value double precision not null,
    "limit" double precision not null,
    constraint pk_system_figures primary key (tenant_id, system_id, name, at)
);
create index ix_system_figures_at on opsteward.system_figures (at);

create table opsteward.early_warnings (
    id uuid not null,
    tenant_id uuid not null,
    system_id uuid not null,
    name text not null,
    urgency text not null,
    since timestamptz not null,
    judged_at timestamptz not null,
    runs_out_at timestamptz not null,
    soonest_at timestamptz not null,
    latest_at timestamptz not null,
    level double precision not null,
    "limit" double precision not null,
    per_day double precision not null,
    noise double precision not null,
    points int not null,
    span double precision not null,
    constraint pk_early_warnings primary key (tenant_id, system_id, name)
);

create table opsteward.maintenance_windows (
    id uuid not null,
    tenant_id uuid not null,
    system_id uuid,
    reason text not null,
    starts_at timestamptz,
    ends_at timestamptz,
    cron text,
    timezone text not null,
    duration int,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_maintenance_windows primary key (id)
);
create index ix_maintenance_windows_system on opsteward.maintenance_windows (tenant_id, system_id);

create table opsteward.heartbeats (
    tenant_id uuid not null,
    system_id uuid not null,
    key_hash bytea not null,
    period int,
    cron text,
    timezone text not null,
    grace int not null,
    late_at timestamptz not null,
    failed boolean not null,
    last_ping_at timestamptz,
    last_signal text,
    last_duration double precision,
    running_since timestamptz,
    minute timestamptz not null,
    pings_in_minute int not null,
    constraint pk_heartbeats primary key (tenant_id, system_id),
    constraint uq_heartbeats_key_hash unique (key_hash)
);

create table opsteward.access_due (
    tenant_id uuid not null,
    system_id uuid not null,
    login text not null,
    user_id uuid not null,
    batch uuid,
    due_at timestamptz not null default now(),
    constraint pk_access_due primary key (tenant_id, system_id, login)
);
create index ix_access_due_at on opsteward.access_due (due_at) where batch is null;
create index ix_access_due_batch on opsteward.access_due (tenant_id, batch) where batch is not null;

create table opsteward.sync_mappings (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    name_key text not null,
    source_id uuid not null,
    target_id uuid not null,
    definition jsonb not null,
    source_cursor text,
    target_cursor text,
    source_mark text,
    target_mark text,
    next_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint pk_sync_mappings primary key (id),
    constraint uq_sync_mappings_tenant_id_name_key unique (tenant_id, name_key)
);
create index ix_sync_mappings_next_at on opsteward.sync_mappings (next_at);

create table opsteward.sync_records (
    tenant_id uuid not null,
    mapping_id uuid not null,
    side text not null,
    native_id text not null,
    key text,
    fields jsonb not null,
    base jsonb,
    pair_id text,
    version text,
    active boolean,
    changed_at timestamptz,
    used_at timestamptz,
    gone boolean not null default false,
    may_differ boolean not null default true,
    digest bytea,
    constraint pk_sync_records primary key (tenant_id, mapping_id, side, native_id)
);
create index ix_sync_records_unpaired on opsteward.sync_records (tenant_id, mapping_id, side) where pair_id is null;
create index ix_sync_records_gone on opsteward.sync_records (tenant_id, mapping_id, side, pair_id) where gone;
create index ix_sync_records_used_at on opsteward.sync_records (tenant_id, mapping_id, used_at)
    where used_at is not null;
create index ix_sync_records_may_differ on opsteward.sync_records (tenant_id, mapping_id, side)
    where may_differ and pair_id is not null;

create unlogged table opsteward.sync_seen (
    tenant_id uuid not null,
    read_id uuid not null,
    native_id text not null,
    constraint pk_sync_seen primary key (tenant_id, read_id, native_id)
);

create table opsteward.sync_operations (
    id uuid not null,
    tenant_id uuid not null,
    mapping_id uuid not null,
    source_id uuid not null,
    target_id uuid not null,
    sync_type text not null,
    dry_run boolean not null,
    max_deletions int,
    status text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    counts jsonb not null,
    samples jsonb not null,
    notes text[] not null,
    is_begun boolean not null default false,
    plan_hash text,
    action_id uuid,
    undo_of uuid,
    requested_by text not null,
    error text,
    constraint pk_sync_operations primary key (id)
);
create index ix_sync_operations_mapping on opsteward.sync_operations (tenant_id, mapping_id, id);
create index ix_sync_operations_action on opsteward.sync_operations (tenant_id, action_id);

create table opsteward.sagas (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    status text not null,
    plan_hash text not null,
    action_id uuid,
    requested_by text not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    error text,
    constraint pk_sagas primary key (id)
);
create index ix_sagas_tenant_id_id on opsteward.sagas (tenant_id, id);

create table opsteward.saga_steps (
    tenant_id uuid not null,
    saga_id uuid not null,
    number int not null,
    system_id uuid not null,
    resource text not null,
    words text not null,
    operation text not null,
    native_id text,
    values jsonb not null,
    before jsonb,
    place int,
    made_id text,
    may_be_older boolean not null default false,
    status text not null,
    problem text not null default '',
    constraint pk_saga_steps primary key (tenant_id, saga_id, number)
);

create table opsteward.sync_changes (
    tenant_id uuid not null,
    operation_id uuid not null,
    number int not null,
    side text not null,
    operation text not null,
    native_id text,
    pair_id text,
    key text,
    version text,
    before jsonb,
    after jsonb,
    whole jsonb,
    outcome text,
    problem text not null default '',
    constraint pk_sync_changes primary key (tenant_id, operation_id, number)
);
create index ix_sync_changes_open on opsteward.sync_changes (tenant_id, operation_id, number) where outcome is null;

create table opsteward.sync_conflicts (
    id uuid not null,
    tenant_id uuid not null,
    mapping_id uuid not null,
    kind text not null,
    source_native_id text not null,
    target_native_id text not null,
    field text not null,
    source_value text,
    target_value text,
    choice text,
    decided_by text,
    found_at timestamptz not null,
    constraint pk_sync_conflicts primary key (id),
    constraint uq_sync_conflicts_what unique (tenant_id, mapping_id, kind, source_native_id, target_native_id, field)
);
create index ix_sync_conflicts_open on opsteward.sync_conflicts (tenant_id, mapping_id) where choice is null;

-- actions

create table opsteward.action_runs (
    id uuid not null,
    tenant_id uuid not null,
    action text not null,
    system_id uuid,
    target_key text not null,
    params jsonb not null,
    reason text not null,
    requested_by text not null,
    requesters text[] not null,
    idempotency_key text not null,
    incident_id uuid,
    reply_to uuid,
    standing_order text,
    approval text not null,
    limits jsonb not null,
    correlation_id text not null,
    status text not null,
    claimed_by text,
    plan jsonb,
    plan_hash text,
    result jsonb,
    proof jsonb,
    error text,
    created_at timestamptz not null,
    executed_at timestamptz,
    ended_at timestamptz,
    constraint pk_action_runs primary key (id),
    constraint uq_action_runs_tenant_id_idempotency_key unique (tenant_id, idempotency_key)
);
create index ix_action_runs_tenant_created on opsteward.action_runs (tenant_id, created_at);
create index ix_action_runs_tenant_incident on opsteward.action_runs (tenant_id, incident_id);
create index ix_action_runs_tenant_target on opsteward.action_runs (tenant_id, target_key, executed_at);

create table opsteward.approvals (
    id uuid not null,
    tenant_id uuid not null,
    action_run_id uuid not null,
    plan_hash text not null,
    status text not null,
    requested_by text not null,
    requested_at timestamptz not null,
    expires_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    reason text,
    making jsonb,
    constraint pk_approvals primary key (id),
    constraint uq_approvals_tenant_id_action_run_id unique (tenant_id, action_run_id),
    constraint fk_approvals_action_run_id foreign key (action_run_id) references opsteward.action_runs (id)
);
create index ix_approvals_tenant_requested on opsteward.approvals (tenant_id, requested_at, id);
create index ix_approvals_tenant_status on opsteward.approvals (tenant_id, status, requested_at);

create table opsteward.freezes (
    id uuid not null,
    tenant_id uuid not null,
    target_key text not null,
    action text not null,
    system_id uuid,
    action_run_id uuid not null,
    reason text not null,
    frozen_at timestamptz not null,
    until timestamptz not null,
    lifted_by text,
    lifted_at timestamptz,
    constraint pk_freezes primary key (id)
);
create index ix_freezes_tenant_target on opsteward.freezes (tenant_id, target_key, until);

-- agents

create table opsteward.agents (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    kind text not null,
    params jsonb not null,
    interval double precision,
    desired text not null,
    generation int not null,
    status text not null,
    reason text not null,
    process_id uuid,
    free_since timestamptz,
    beat_at timestamptz,
    last_run_at timestamptz,
    run_seconds double precision,
    runs bigint not null,
    failures int not null,
    restarts int not null,
    told boolean not null,
    next_start_at timestamptz,
    created_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint pk_agents primary key (id),
    constraint uq_agents_tenant_id_name unique (tenant_id, name)
);
create index ix_agents_process_id on opsteward.agents (process_id);

create table opsteward.agent_messages (
    id uuid not null,
    tenant_id uuid not null,
    agent_id uuid not null,
    sender text not null,
    body jsonb not null,
    sent_at timestamptz not null,
    read_at timestamptz,
    constraint pk_agent_messages primary key (id)
);
create index ix_agent_messages_agent on opsteward.agent_messages (tenant_id, agent_id, id);
create index ix_agent_messages_sent on opsteward.agent_messages (sent_at);
create index ix_agent_messages_waiting on opsteward.agent_messages (tenant_id, agent_id, id) where read_at is null;

create table opsteward.agent_metrics (
    tenant_id uuid not null,
    name text not null,
    at timestamptz not null,
    process_id uuid not null,
    value double precision not null,
    constraint pk_agent_metrics primary key (tenant_id, name, at, process_id)
);
create index ix_agent_metrics_at on opsteward.agent_metrics (at);

-- events

create table opsteward.events (
    id uuid not null,
    tenant_id uuid not null,
    received_at timestamptz not null,
    occurred_at timestamptz not null,
    source text not null,
    error_type text,
    message text not null,
    stack_trace text,
    context jsonb not null,
    resolved boolean not null,
    category text not null,
    severity text not null,
    action text not null,
    priority int not null,
    confidence double precision not null,
    rule_id text not null,
    fingerprint text not null,
    incident_id uuid,
    object_key text not null default '',
    constraint pk_events primary key (id)
);
create index ix_events_tenant_incident on opsteward.events (tenant_id, incident_id, received_at);
create index ix_events_tenant_recovery on opsteward.events (tenant_id, fingerprint, occurred_at) where resolved;
create index ix_events_tenant_received on opsteward.events (tenant_id, received_at);

create table opsteward.incidents (
    id uuid not null,
    tenant_id uuid not null,
    number int not null,
    title text not null,
    status text not null,
    category text not null,
    severity text not null,
    source text not null,
    system_id uuid,
    event_count int not null,
    opened_at timestamptz not null,
    last_event_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    assigned_to text,
    reopened int not null,
    labels jsonb not null,
    muted jsonb,
    recovered_at timestamptz,
    flapping boolean not null,
    urgency int generated always as (
        case status when 'resolved' then 0 else 10 end
        + case severity when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end) stored not null,
    constraint pk_incidents primary key (id),
    constraint uq_incidents_tenant_id_number unique (tenant_id, number)
);
create index ix_incidents_tenant_resolved_at on opsteward.incidents (tenant_id, resolved_at desc)
    where resolved_at is not null;
create index ix_incidents_tenant_assigned on opsteward.incidents (tenant_id, assigned_to, urgency, number)
    where assigned_to is not null;
create index ix_incidents_tenant_muted on opsteward.incidents (tenant_id, number) where muted is not null;
create index ix_incidents_tenant_status on opsteward.incidents (tenant_id, status, opened_at);
create index ix_incidents_tenant_system on opsteward.incidents (tenant_id, system_id, status);
create index ix_incidents_tenant_urgency on opsteward.incidents (tenant_id, urgency, number);

create table opsteward.incident_fingerprints (
    tenant_id uuid not null,
    fingerprint text not null,
    incident_id uuid not null,
    constraint pk_incident_fingerprints primary key (tenant_id, fingerprint),
    constraint fk_incident_fingerprints_incident_id foreign key (incident_id) references opsteward.incidents (id)
);

create table opsteward.incident_groups (
    tenant_id uuid not null,
    fingerprint text not null,
    incident_id uuid not null,
    bound_at timestamptz not null,
    constraint pk_incident_groups primary key (tenant_id, fingerprint, incident_id),
    constraint fk_incident_groups_incident_id foreign key (incident_id) references opsteward.incidents (id)
);
create index ix_incident_groups_tenant_incident on opsteward.incident_groups (tenant_id, incident_id);

create table opsteward.silences (
    id uuid not null,
    tenant_id uuid not null,
    matchers jsonb not null,
    reason text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    created_by text not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    constraint pk_silences primary key (id)
);
create index ix_silences_tenant_ends on opsteward.silences (tenant_id, ends_at);

create table opsteward.inhibitions (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    source jsonb not null,
    target jsonb not null,
    equal text[] not null,
    dependents boolean not null,
    reason text not null,
    created_by text not null,
    created_at timestamptz not null,
    removed_at timestamptz,
    removed_by text,
    constraint pk_inhibitions primary key (id)
);

create table opsteward.group_decisions (
    tenant_id uuid not null,
    fingerprint text not null,
    category text,
    joins text,
    apart boolean not null,
    decided_by text not null,
    decided_at timestamptz not null,
    reason text not null,
    constraint pk_group_decisions primary key (tenant_id, fingerprint)
);

create table opsteward.incident_objects (
    tenant_id uuid not null,
    incident_id uuid not null,
    fingerprint text not null,
    object_key text not null,
    name text not null,
    was_in_trouble boolean not null,
    in_trouble boolean not null,
    happened_at timestamptz not null,
    received_at timestamptz not null,
    constraint pk_incident_objects primary key (tenant_id, incident_id, fingerprint, object_key),
    constraint fk_incident_objects_incident_id foreign key (incident_id) references opsteward.incidents (id)
);
create index ix_incident_objects_in_trouble on opsteward.incident_objects (tenant_id, incident_id, name)
    where in_trouble;

create table opsteward.timeline_entries (
    id uuid not null,
    tenant_id uuid not null,
    incident_id uuid not null,
    at timestamptz not null,
    kind text not null,
    title text not null,
    actor text,
    detail jsonb not null,
    constraint pk_timeline_entries primary key (id),
    constraint fk_timeline_entries_incident_id foreign key (incident_id) references opsteward.incidents (id)
);
create index ix_timeline_entries_tenant_incident on opsteward.timeline_entries (tenant_id, incident_id, at);

create table opsteward.source_settings (
    tenant_id uuid not null,
    slug text not null,
    settings jsonb not null,
    secret_sealed bytea,
    changed_by text not null,
    changed_at timestamptz not null,
    constraint pk_source_settings primary key (tenant_id, slug)
);

create table opsteward.source_bodies (
    id uuid not null,
    tenant_id uuid not null,
    slug text not null,
    received_at timestamptz not null,
    kind text not null,
    headers jsonb not null,
    body text not null,
    mapped boolean not null,
    trouble text not null,
    reading jsonb not null,
    constraint pk_source_bodies primary key (id)
);
create index ix_source_bodies_tenant_slug on opsteward.source_bodies (tenant_id, slug, mapped, id desc);

create table opsteward.source_counts (
    tenant_id uuid not null,
    slug text not null,
    bodies bigint not null,
    events bigint not null,
    unmapped bigint not null,
    refused bigint not null,
    last_received_at timestamptz,
    last_refusal text not null,
    constraint pk_source_counts primary key (tenant_id, slug)
);

create table opsteward.standing_order_versions (
    id uuid not null,
    tenant_id uuid not null,
    version int not null,
    text text not null,
    applied_by text not null,
    applied_at timestamptz not null,
    constraint pk_standing_order_versions primary key (id),
    constraint uq_standing_order_versions_tenant_id_version unique (tenant_id, version)
);

-- oncall

create table opsteward.oncall_schedules (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    timezone text not null,
    rotations jsonb not null,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_oncall_schedules primary key (id),
    constraint uq_oncall_schedules_tenant_id_name unique (tenant_id, name)
);

create table opsteward.oncall_overrides (
    id uuid not null,
    tenant_id uuid not null,
    schedule_id uuid not null,
    operator_id uuid not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    reason text not null,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_oncall_overrides primary key (id),
    constraint fk_oncall_overrides_schedule_id foreign key (schedule_id)
        references opsteward.oncall_schedules (id) on delete cascade
);
create index ix_oncall_overrides_schedule on opsteward.oncall_overrides (tenant_id, schedule_id, ends_at);

create table opsteward.escalation_policies (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    position int not null,
    matchers jsonb not null,
    begins text not null,
    steps jsonb not null,
    repeats int not null,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_escalation_policies primary key (id),
    constraint uq_escalation_policies_tenant_id_name unique (tenant_id, name)
);

create table opsteward.escalations (
    id uuid not null,
    tenant_id uuid not null,
    incident_id uuid not null,
    policy text not null,
    steps jsonb not null,
    repeats int not null,
    step int not null,
    round int not null,
    status text not null,
    next_at timestamptz,
    started_at timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    constraint pk_escalations primary key (id)
);
create index ix_escalations_tenant_incident on opsteward.escalations (tenant_id, incident_id);
create unique index uq_escalations_running on opsteward.escalations (tenant_id, incident_id) where status = 'running';

create table opsteward.notification_routes (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    urls_sealed bytea not null,
    services text[] not null,
    operator_id uuid,
    position int not null,
    matchers jsonb not null,
    begins text not null,
    approvals boolean not null,
    hours jsonb,
    next_route text,
    group_seconds int not null,
    repeat_seconds int,
    report_at text,
    timezone text not null,
    title text,
    body text,
    created_by text not null,
    created_at timestamptz not null,
    constraint pk_notification_routes primary key (id),
    constraint uq_notification_routes_tenant_id_name unique (tenant_id, name)
);

create table opsteward.notices (
    id uuid not null,
    tenant_id uuid not null,
    kind text not null,
    route_id uuid not null,
    later_routes uuid[] not null,
    incident_ids uuid[] not null,
    approval_ids uuid[] not null,
    buttons jsonb not null,
    title text not null,
    body text not null,
    severity text not null,
    status text not null,
    told text not null,
    attempt int not null,
    created_at timestamptz not null,
    begun_at timestamptz,
    ended_at timestamptz,
    channels text[] not null,
    error text,
    constraint pk_notices primary key (id)
);
create index ix_notices_collecting on opsteward.notices (tenant_id, route_id, kind) where status = 'collecting';
create index ix_notices_tenant_route_ended on opsteward.notices (tenant_id, route_id, ended_at);

-- troubleshooting

create table opsteward.troubleshooting_sessions (
    id uuid not null,
    tenant_id uuid not null,
    incident_id uuid,
    system_ids uuid[] not null,
    trigger text not null,
    complaint text not null,
    requested_by text not null,
    status text not null,
    phase text not null,
    success boolean,
    outcome text,
    summary text not null,
    health_score int,
    phases jsonb not null,
    issues jsonb not null,
    causes jsonb not null,
    hypotheses jsonb not null,
    changes jsonb not null,
    surroundings jsonb not null,
    diagnostics jsonb not null,
    resolutions jsonb not null,
    choice jsonb not null,
    tried jsonb not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    correlation_id text not null,
    constraint pk_troubleshooting_sessions primary key (id)
);
create index ix_troubleshooting_sessions_tenant_incident
    on opsteward.troubleshooting_sessions (tenant_id, incident_id);
create index ix_troubleshooting_sessions_tenant_started on opsteward.troubleshooting_sessions (tenant_id, started_at);

-- crew

create table opsteward.crew_runs (
    id uuid not null,
    tenant_id uuid not null,
    task_type text not null,
    domain text not null,
    description text not null,
    parameters jsonb not null,
    input_hash text not null,
    user_ref text,
    session_ref text,
    requested_by text not null,
    complexity text not null,
    volume bigint not null,
    requires_ai boolean not null,
    multi_domain boolean not null,
    strategy text not null,
    matrix_version int not null,
    matrix_row text not null,
    propensity double precision not null,
    decision jsonb not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    success boolean,
    engine text,
    strategy_used text,
    path jsonb not null,
    agents text[] not null,
    seconds double precision,
    cost_micros bigint not null,
    tokens bigint not null,
    calls int not null,
    cached boolean not null,
    error text,
    result jsonb,
    constraint pk_crew_runs primary key (id)
);
create index ix_crew_runs_tenant_created on opsteward.crew_runs (tenant_id, created_at);
create index ix_crew_runs_tenant_ended on opsteward.crew_runs (tenant_id, ended_at);
create index ix_crew_runs_input on opsteward.crew_runs (tenant_id, input_hash, ended_at) where success;

create table opsteward.crew_steps (
    id uuid not null,
    tenant_id uuid not null,
    run_id uuid not null,
    name text not null,
    position int not null,
    agent text,
    delegated_by text,
    purpose text not null,
    status text not null,
    result jsonb,
    error text,
    started_at timestamptz,
    ended_at timestamptz,
    constraint pk_crew_steps primary key (id),
    constraint uq_crew_steps_tenant_id_run_id_name unique (tenant_id, run_id, name)
);
create index ix_crew_steps_tenant_started on opsteward.crew_steps (tenant_id, started_at);

create table opsteward.crew_model_calls (
    id uuid not null,
    tenant_id uuid not null,
    run_id uuid not null,
    name text not null,
    agent text not null,
    model text not null,
    status text not null,
    reserved_micros bigint not null,
    cost_micros bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    seconds double precision,
    error text,
    reply jsonb,
    content jsonb,
    started_at timestamptz not null,
    ended_at timestamptz,
    constraint pk_crew_model_calls primary key (id),
    constraint uq_crew_model_calls_tenant_id_run_id_name unique (tenant_id, run_id, name)
);
create index ix_crew_model_calls_agent_started on opsteward.crew_model_calls (tenant_id, agent, started_at);
create index ix_crew_model_calls_started on opsteward.crew_model_calls (tenant_id, started_at);

create table opsteward.crew_spend (
    id uuid not null,
    tenant_id uuid not null,
    scope text not null,
    reserved_micros bigint not null,
    spent_micros bigint not null,
    reserved_tokens bigint not null,
    tokens bigint not null,
    calls bigint not null,
    changed_at timestamptz not null,
    constraint pk_crew_spend primary key (id),
    constraint uq_crew_spend_tenant_id_scope unique (tenant_id, scope)
);

create table opsteward.crew_matrix_versions (
    id uuid not null,
    tenant_id uuid not null,
    version int not null,
    matrix jsonb not null,
    reason text not null,
    action_id uuid,
    changed_by text not null,
    created_at timestamptz not null,
    constraint pk_crew_matrix_versions primary key (id),
    constraint uq_crew_matrix_versions_tenant_id_version unique (tenant_id, version)
);

create table opsteward.crew_notes (
    id uuid not null,
    tenant_id uuid not null,
    agent text not null,
    text text not null,
    run_id uuid not null,
    created_at timestamptz not null,
    constraint pk_crew_notes primary key (id)
);
create index ix_crew_notes_agent on opsteward.crew_notes (tenant_id, agent, created_at);
-- help

create table opsteward.help_corpora (
    tenant_id uuid not null,
    version bigint not null,
    next_page bigint not null,
    next_segment int not null,
    segments jsonb not null,
    constraint pk_help_corpora primary key (tenant_id)
);

create table opsteward.help_documents (
    id uuid not null,
    tenant_id uuid not null,
    name text not null,
    title text not null,
    url text,
    media_type text not null,
    bytes bigint not null,
    digest text not null,
    status text not null,
    note text not null,
    access text[] not null,
    version int not null,
    first_page bigint not null,
    page_chunks int[] not null,
    page_tokens int[] not null,
    added_by text not null,
    added_at timestamptz not null,
    changed_at timestamptz not null,
    constraint pk_help_documents primary key (id),
    constraint uq_help_documents_tenant_id_name unique (tenant_id, name)
);
create index ix_help_documents_tenant_page on opsteward.help_documents (tenant_id, first_page);

create table opsteward.help_document_versions (
    id uuid not null,
    tenant_id uuid not null,
    document_id uuid not null,
    version int not null,
    digest text not null,
    bytes bigint not null,
    note text not null,
    added_by text not null,
    added_at timestamptz not null,
    constraint pk_help_document_versions primary key (id),
    constraint fk_help_document_versions_document_id foreign key (document_id)
        references opsteward.help_documents (id) on delete cascade
);
create index ix_help_document_versions_document on opsteward.help_document_versions (tenant_id, document_id, version);

create table opsteward.help_chunks (
    tenant_id uuid not null,
    number bigint not null,
    document_id uuid not null,
    heading text not null,
    anchor text not null,
    text text not null,
    vector bytea not null,
    constraint pk_help_chunks primary key (tenant_id, number)
);

create table opsteward.help_postings (
    tenant_id uuid not null,
    term text not null,
    segment int not null,
    records bytea not null,
    constraint pk_help_postings primary key (tenant_id, term, segment)
);
create index ix_help_postings_segment on opsteward.help_postings (tenant_id, segment);

create table opsteward.help_answers (
    id uuid not null,
    tenant_id uuid not null,
    asked_by text not null,
    asked_at timestamptz not null,
    question text not null,
    answer jsonb not null,
    helpful boolean,
    comment text not null,
    constraint pk_help_answers primary key (id)
);
create index ix_help_answers_tenant_asked on opsteward.help_answers (tenant_id, asked_by, asked_at);
