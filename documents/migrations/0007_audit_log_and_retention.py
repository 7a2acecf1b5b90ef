"""The audit log, which the database itself keeps from being changed.

What alters these tables on SQLite makes them anew, without their triggers: put those back then.
"""

from django.db import migrations, models

SQLITE = [
    """
    CREATE TRIGGER audit_entry_is_new BEFORE INSERT ON documents_auditentry
    WHEN EXISTS (SELECT 1 FROM documents_auditentry WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_entry_stays BEFORE UPDATE ON documents_auditentry
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_entry_is_kept BEFORE DELETE ON documents_auditentry
    WHEN OLD.number > (SELECT COALESCE(MAX(pruned_to), 0) FROM documents_audithead)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_head_goes_on BEFORE UPDATE ON documents_audithead
    WHEN NEW.number < OLD.number OR NEW.pruned_to < OLD.pruned_to OR NEW.pruned_to > NEW.number
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_head_is_kept BEFORE DELETE ON documents_audithead
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
]
SQLITE_NAMES = [statement.split()[2] for statement in SQLITE]

POSTGRESQL = [
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'documents_auditentry' THEN
            IF OLD.number <= (SELECT MAX(pruned_to) FROM documents_audithead) THEN
                RETURN OLD;
            END IF;
        ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'documents_audithead' THEN
            IF NEW.number >= OLD.number AND NEW.pruned_to >= OLD.pruned_to
                AND NEW.pruned_to <= NEW.number THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    *(
        f"CREATE TRIGGER {name} BEFORE {what} ON {table} FOR EACH {each} "
        "EXECUTE FUNCTION audit_is_append_only()"
        for name, table, what, each in (
            ("audit_entry_stays", "documents_auditentry", "UPDATE OR DELETE", "ROW"),
            ("audit_entries_stay", "documents_auditentry", "TRUNCATE", "STATEMENT"),
            ("audit_head_goes_on", "documents_audithead", "UPDATE OR DELETE", "ROW"),
            ("audit_head_is_kept", "documents_audithead", "TRUNCATE", "STATEMENT"),
        )
    ),
]


def guard(apps, schema_editor):
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRESQL if on_postgresql else SQLITE:
        schema_editor.execute(statement, params=None)


def unguard(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION audit_is_append_only() CASCADE", params=None)
    else:
        for name in SQLITE_NAMES:
            schema_editor.execute(f"DROP TRIGGER {name}", params=None)


class Migration(migrations.Migration):

    dependencies = [
        ('documents', '0006_provider_usage'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(default=0)),
                ('hash', models.CharField(default='0' * 64, max_length=64)),
                ('pruned_to', models.PositiveBigIntegerField(default=0)),
                ('pruned_hash', models.CharField(default='0' * 64, max_length=64)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='audit_has_one_head')],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('number', models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('action', models.CharField(max_length=50)),
                ('by', models.CharField(help_text='"user:…", "key:…", "visitor:…", "anonymous" or "command".', max_length=120)),
                ('target', models.CharField(max_length=300)),
                ('corpus', models.CharField(blank=True, help_text='Slug.', max_length=50)),
                ('address', models.CharField(blank=True, help_text='The network: /24 or /48.', max_length=50)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('details', models.JSONField(blank=True, default=dict)),
                ('hash', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name_plural': 'audit log',
                'ordering': ['-number'],
                'indexes': [models.Index(fields=['action', '-number'], name='audit_action'), models.Index(fields=['at'], name='audit_at')],
            },
        ),
        migrations.AddField(
            model_name='corpus',
            name='retention_days',
            field=models.PositiveIntegerField(blank=True, help_text='Days. Empty: as CONVERSATION_RETENTION_DAYS says. 0: nothing of what is asked is stored.', null=True, verbose_name='keep conversations for'),
        ),
        migrations.RunPython(guard, unguard, elidable=False),
    ]
