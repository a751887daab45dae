"""Policies of sayso in LeRobot's own commands: ``--policy.path=CHECKPOINT`` and ``--policy.type=sayso``.

LeRobot imports every installed package whose name begins with ``lerobot_policy_``; what that import registers
is the name ``sayso``. The rest it finds by its naming convention::

    configuration_sayso.py    SaysoConfig                      what can be set
    modeling_sayso.py         SaysoPolicy                      what acts and learns
    processor_sayso.py        make_sayso_pre_post_processors   what stands before and behind it: nothing
"""

from lerobot_policy_sayso.configuration_sayso import SaysoConfig as SaysoConfig
