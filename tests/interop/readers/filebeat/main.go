// Filebeat's netflow input by itself: reads IPFIX on ADDRESS, named by FILE, and prints each event's fields as a line.
//
//	filebeat-netflow ADDRESS FILE
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/elastic/beats/v7/filebeat/channel"
	"github.com/elastic/beats/v7/filebeat/input"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/x-pack/filebeat/input/netflow"
)

// printer stands where Filebeat's pipeline does: it connects the input and takes its events.
type printer struct{ done chan struct{} }

func (p printer) Connect(*common.Config) (channel.Outleter, error) { return p, nil }

func (p printer) ConnectWith(*common.Config, beat.ClientConfig) (channel.Outleter, error) {
	return p, nil
}

func (p printer) Close() error { return nil }

func (p printer) Done() <-chan struct{} { return p.done }

func (p printer) OnEvent(event beat.Event) bool {
	line, err := json.Marshal(event.Fields)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
	return true
}

func main() {
	config := common.MustNewConfigFrom(map[string]interface{}{
		"host":               os.Args[1],
		"protocols":          []string{"ipfix"},
		"custom_definitions": os.Args[2:],
	})
	reader, err := netflow.NewInput(config, printer{make(chan struct{})}, input.Context{})
	if err != nil {
		log.Fatal(err)
	}
	reader.Run()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	reader.Stop()
}
