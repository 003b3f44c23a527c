"""What an approval is bound to, who may give it, and what approving a part of a batch means."""
