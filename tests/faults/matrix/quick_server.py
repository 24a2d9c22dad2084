"""What a warm model server looks at and tells sooner, so that hundreds of rollouts take minutes."""

from millrace_serve import reconciler

reconciler.POLL_LOCAL_SECONDS = 0.01
reconciler.STATUS_SECONDS = 0.02
