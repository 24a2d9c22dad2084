"""What a warm model server looks at and tells sooner, so that hundreds of rollouts take minutes."""

from millrace_serve import orders

orders.POLL_LOCAL_SECONDS = 0.01
orders.STATUS_SECONDS = 0.02
