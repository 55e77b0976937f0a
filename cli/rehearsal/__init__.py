"""`live-record rehearse`: records a throw-away stream as a show will be, and says GO or NO-GO."""
