"""Settings, all from the environment, read strictly: a wrong value stops the start with one line.

Every name is described in docs/configuration.md. Each has a default that is right for the
embedded product (`make run`); with `REVIEWAPP_ENV=production` the defaults that would be
unsafe there are refused.
"""

from reviewapp.settings.application import *
from reviewapp.settings.databases import *
from reviewapp.settings.guarding import *
from reviewapp.settings.keys import *
from reviewapp.settings.mail import *
from reviewapp.settings.outside import *
from reviewapp.settings.people import *
from reviewapp.settings.place import *
from reviewapp.settings.seeing import *
from reviewapp.settings.working import *
