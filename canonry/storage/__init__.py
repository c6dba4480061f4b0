"""Where things lie: five zones behind one small seam, on a local folder or an object store."""

from canonry.storage._lease import Lease, LeaseError, leased
from canonry.storage._local import Files, LocalStorage
from canonry.storage._object import ObjectStorage
from canonry.storage._seam import Conflict, Entry, NotFound, Storage, StorageError, Unreachable
from canonry.storage._zones import Zones, open_storage, open_zones

__all__ = [
    "Conflict",
    "Entry",
    "Files",
    "Lease",
    "LeaseError",
    "LocalStorage",
    "NotFound",
    "ObjectStorage",
    "Storage",
    "StorageError",
    "Unreachable",
    "Zones",
    "leased",
    "open_storage",
    "open_zones",
]
