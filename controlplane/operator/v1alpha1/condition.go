package v1alpha1

// Conditions of a Session; Templates and Users have Ready only.
const (
	// ConditionReady: the desktop is up, and a gateway can reach it.
	ConditionReady = "Ready"
	// ConditionProgressing: something is being done about it now.
	ConditionProgressing = "Progressing"
	// ConditionHibernated: it sleeps, as was asked.
	ConditionHibernated = "Hibernated"
	// ConditionDegraded: something is wrong that somebody should know of.
	ConditionDegraded = "Degraded"
)

// Reasons of conditions and events, one word each for programs; the message
// beside them is for people.
const (
	ReasonAsExpected         = "AsExpected"
	ReasonRunning            = "Running"
	ReasonStarting           = "Starting"
	ReasonStopping           = "Stopping"
	ReasonReplacing          = "Replacing"
	ReasonHibernating        = "Hibernating"
	ReasonHibernated         = "Hibernated"
	ReasonWaking             = "Waking"
	ReasonRestarting         = "Restarting"
	ReasonTemplateMissing    = "TemplateMissing"
	ReasonTemplateInvalid    = "TemplateInvalid"
	ReasonUserSuspended      = "UserSuspended"
	ReasonQuotaExceeded      = "QuotaExceeded"
	ReasonHomeInUse          = "HomeInUse"
	ReasonHomeOfAnother      = "HomeOfAnother"
	ReasonHomePending        = "HomePending"
	ReasonNameTaken          = "NameTaken"
	ReasonUnschedulable      = "Unschedulable"
	ReasonImagePullFailed    = "ImagePullFailed"
	ReasonContainerNotMade   = "ContainerNotMade"
	ReasonOutOfMemory        = "OutOfMemory"
	ReasonEvicted            = "Evicted"
	ReasonNodeLost           = "NodeLost"
	ReasonPodDeleted         = "PodDeleted"
	ReasonPodRefused         = "PodRefused"
	ReasonDesktopEnded       = "DesktopEnded"
	ReasonDesktopUnreachable = "DesktopUnreachable"
)
