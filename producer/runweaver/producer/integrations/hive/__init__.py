"""A drop-in for the class that agents of aden hive record with.

    from runweaver.producer.integrations.hive import Runtime  # was: from framework import Runtime

What it takes, what it returns and what it lets pass is as there. What it records goes to Redis instead of into files.
See docs/integrations/hive.md.
"""

from runweaver.producer.integrations.hive.runtime import Runtime

__all__ = ["Runtime"]
