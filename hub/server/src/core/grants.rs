//! Grants: spend rights for a till, to a target level, from what head office holds and nothing else.
