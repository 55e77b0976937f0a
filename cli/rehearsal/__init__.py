"""`live-record rehearse`: records a throw-away stream in the way a show will be recorded, and says
GO or NO-GO."""
