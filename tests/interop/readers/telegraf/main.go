// Telegraf's netflow input by itself: reads IPFIX on ADDRESS, named by FILE, and prints each metric's fields as a line.
//
//	telegraf-netflow ADDRESS FILE
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/plugins/inputs/netflow"
)

// printer takes what the input would hand to Telegraf's pipeline; it needs no more of an accumulator than this.
type printer struct{ telegraf.Accumulator }

func (printer) AddMetric(metric telegraf.Metric) {
	line, err := json.Marshal(metric.Fields())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func (printer) AddError(err error) { log.Println("E!", err) }

func main() {
	input := &netflow.NetFlow{
		ServiceAddress: "udp://" + os.Args[1],
		PENFiles:       os.Args[2:],
		Log:            logger.New("inputs", "netflow", ""),
	}
	if err := input.Init(); err != nil {
		log.Fatal(err)
	}
	if err := input.Start(printer{}); err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	input.Stop()
}
