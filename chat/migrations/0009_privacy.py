"""An own permission for reading what people asked; an index to find what is past its time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0008_branches_and_answers_anew'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='conversation',
            options={'ordering': ['-created_at', '-id'], 'permissions': [('read_conversations', 'Can read what people asked and were answered')]},
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['created_at'], name='message_created_at'),
        ),
    ]
